"""Real servers of the tests, each a private process on ports of loopback that nobody else uses."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

START_TIMEOUT_S = 60  # a broker in Erlang takes its time on a busy machine
UNPRIVILEGED = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


def program(name: str, package: str) -> str:
    """Where a server's program is; without it the test is skipped, with what would be needed."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin:/usr/local/sbin")
    return path or pytest.skip(f"{name} is not installed: apt-get install {package}")


def as_unprivileged_user(*command: str) -> list[str]:
    """The command, without root's rights where we have them."""
    return [*UNPRIVILEGED, *command] if os.geteuid() == 0 else list(command)


@contextlib.contextmanager
def a_place() -> Iterator[Path]:
    """A directory that a server's user can reach: pytest's own are private to the user that runs it."""
    with tempfile.TemporaryDirectory(prefix="wk-", dir="/tmp", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def writable_by_unprivileged_user(place: Path) -> None:
    """Make it all the server's user's own."""
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "nobody:nogroup", str(place)], check=True)


@contextlib.contextmanager
def running(command: Sequence[str], place: Path, *ports: int, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server that runs until the block ends; its output goes to `place/out`.

    ports    the TCP ports it listens on: the block begins when each of them accepts a connection
    """
    with (place / "out").open("wb") as out:
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=place,
            env=os.environ | environ,
            start_new_session=True,
        )
    try:
        for port in ports:
            _until_it_listens(server, port, place / "out")
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)  # and what it started
        server.wait()


def _until_it_listens(server: subprocess.Popen[bytes], port: int, out: Path) -> None:
    ends = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < ends:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert server.poll() is None, out.read_text(errors="replace")
        time.sleep(0.05)
    pytest.fail(f"nobody listens on port {port} after {START_TIMEOUT_S} s: {out.read_text(errors='replace')}")
