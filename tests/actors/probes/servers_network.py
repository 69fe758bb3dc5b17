"""Real servers of network services, each a process of its own on a loopback port, for the tests of this directory."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

START_TIMEOUT_S = 20


def binary(name: str, package: str) -> str:
    """Where a server is installed; the test is skipped, with what would be needed, where it is not."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if not found:
        pytest.skip(f"{name} is not here: apt-get install {package}")
    return found


@contextlib.contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server that runs as long as the block; its output goes to `log`."""
    with log.open("wb") as output:
        server = subprocess.Popen(list(command), stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        try:
            yield server
        finally:
            server.terminate()
            try:
                server.wait(timeout=START_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def until_it_listens(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a connection is accepted."""
    for _ in range(START_TIMEOUT_S * 20):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert server.poll() is None, log.read_text(errors="replace")
        time.sleep(0.05)
    pytest.fail(f"nobody listens after {START_TIMEOUT_S} s: {log.read_text(errors='replace')}")
