"""MariaDB and PostgreSQL of the tests: real servers, each a private process, with TLS where needed."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from bench.ports import unused_port
from tests.actors.probes import certificates
from tests.actors.probes.server_processes import (
    START_TIMEOUT_S,
    a_place,
    as_unprivileged_user,
    program,
    running,
    writable_by_unprivileged_user,
)


@contextlib.contextmanager
def mariadb(setup: str, *more: str) -> Iterator[int]:
    """The port of a MariaDB that has read this SQL.

    more    options of the server
    """
    daemon, install = program("mariadbd", "mariadb-server"), program("mariadb-install-db", "mariadb-server")
    with a_place() as place:
        port = unused_port()
        (place / "setup.sql").write_text(f"SET NAMES utf8mb4;\n{setup}")
        certificates.served(place)
        writable_by_unprivileged_user(place)
        data, pem = f"--datadir={place / 'data'}", place / "leaf.pem"
        quick = ["--no-defaults", data, "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M"]
        quick.append(f"--tmpdir={place}")  # a starting server removes all temporary tables in it
        subprocess.run(
            as_unprivileged_user(install, *quick, "--auth-root-authentication-method=normal", "--skip-test-db"),
            check=True,
            cwd=place,
            stdout=subprocess.DEVNULL,
        )
        options = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={place / 's'}", *more]
        options += [f"--ssl-cert={pem}", f"--ssl-key={pem}", f"--init-file={place / 'setup.sql'}"]
        options += [f"--pid-file={place / 'pid'}", "--skip-name-resolve", "--character-set-server=utf8mb4"]
        with running(as_unprivileged_user(daemon, *quick, *options), place, port):
            yield port


@contextlib.contextmanager
def postgresql(username: str, password: str, *setup: str) -> Iterator[int]:
    """The port of a PostgreSQL with one powerful user, where these lines have been carried out."""
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    context = newest[-1] if newest else Path(program("initdb", "postgresql")).parent
    port = unused_port()
    with a_place() as place:
        (place / "password").write_text(password)
        certificates.served(place)
        writable_by_unprivileged_user(place)
        (place / "leaf.pem").chmod(0o600)
        cluster = ["-D", str(place / "cluster"), "-U", username, "--pwfile", str(place / "password"), "-E", "UTF8"]
        initdb = [str(context / "initdb"), *cluster, "--locale=C", "-A", "scram-sha-256", "--no-sync"]
        subprocess.run(as_unprivileged_user(*initdb), check=True, cwd=place, stdout=subprocess.DEVNULL)
        single = as_unprivileged_user(str(context / "postgres"), "--single", "-D", str(place / "cluster"), "postgres")
        subprocess.run(single, input="\n".join((*setup, "")).encode(), check=True, cwd=place, stdout=subprocess.DEVNULL)
        pem = str(place / "leaf.pem")
        chosen = f"listen_addresses=127.0.0.1 port={port} unix_socket_directories={place} fsync=off ssl=on"
        options = [f"-c{one}" for one in [*chosen.split(), f"ssl_cert_file={pem}", f"ssl_key_file={pem}"]]
        with running(
            as_unprivileged_user(str(context / "postgres"), "-D", str(place / "cluster"), *options), place, port
        ):
            _until_it_is_ready(str(context / "pg_isready"), port)
            yield port


def _until_it_is_ready(tool: str, port: int) -> None:
    """It listens before it answers."""
    ends = time.monotonic() + START_TIMEOUT_S
    while subprocess.run([tool, "-q", "-h", "127.0.0.1", "-p", str(port)], check=False).returncode:
        assert time.monotonic() < ends
        time.sleep(0.05)
