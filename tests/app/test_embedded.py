"""The bundled Valkey listens on a socket of ours alone and keeps what it was told."""

import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from app import embedded


@contextmanager
def running(directory: Path, listen: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(embedded.command(directory, listen)) as server:
        deadline = time.monotonic() + 20
        while not embedded.answers(listen):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        try:
            yield server
        finally:
            server.kill()


@pytest.fixture
def listen(redis_url: str, tmp_path: Path) -> Iterator[Path]:
    """A path short enough for a socket."""
    path = Path(redis_url.removeprefix("unix://")).with_name(f"{tmp_path.name}.sock"[-40:])
    yield path
    path.unlink(missing_ok=True)


def test_what_was_answered_survives_a_kill(tmp_path: Path, listen: Path) -> None:
    embedded.prepare(tmp_path / "valkey", listen)
    with running(tmp_path / "valkey", listen) as server, redis.Redis(unix_socket_path=str(listen)) as client:
        client.set("kept", "yes")
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
    with running(tmp_path / "valkey", listen), redis.Redis(unix_socket_path=str(listen)) as client:
        assert client.get("kept") == b"yes"


def test_it_never_drops_a_key_and_has_no_port(tmp_path: Path, listen: Path) -> None:
    embedded.prepare(tmp_path / "valkey", listen)
    with running(tmp_path / "valkey", listen), redis.Redis(unix_socket_path=str(listen)) as client:
        assert client.config_get("maxmemory-policy", "port") == {"maxmemory-policy": "noeviction", "port": "0"}
        assert stat.S_IMODE(listen.stat().st_mode) == 0o700


def test_nobody_answers_where_nobody_listens(listen: Path) -> None:
    assert not embedded.answers(listen)


def test_a_socket_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        embedded.prepare(tmp_path / "valkey", tmp_path / "link" / "valkey.sock")


def test_data_that_can_not_be_read_is_set_aside_and_nothing_else_is(tmp_path: Path, listen: Path) -> None:
    directory = tmp_path / "valkey"
    embedded.prepare(directory, listen)
    assert embedded.set_unreadable_aside(directory) is None
    with running(directory, listen), redis.Redis(unix_socket_path=str(listen)) as client:
        client.set("kept", "yes")
    assert embedded.set_unreadable_aside(directory) is None
    (log,) = directory.glob("appendonlydir/*.incr.aof")
    log.write_bytes(b"words, not commands\n" * 10)
    assert subprocess.run(embedded.command(directory, listen), timeout=20, check=False).returncode == 1
    aside = embedded.set_unreadable_aside(directory)
    assert aside is not None
    assert (aside / "appendonlydir").is_dir()
    with running(directory, listen), redis.Redis(unix_socket_path=str(listen)) as client:
        assert client.get("kept") is None
