"""Databases and brokers of the tests: real servers, each a private process on a loopback port."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from tests.actors.probes.scripted_server import listening

STARTS_S = 60  # a broker in Erlang takes its time on a busy machine
UNPRIVILEGED = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


def a_port() -> int:
    """A closed loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str, package: str) -> str:
    """Where a server's program is; without it the test is skipped."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    return found or pytest.skip(f"{name} is not installed: apt-get install {package}")


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
def running(command: Sequence[str], place: Path, port: int, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server from its first answer until the block ends; its words are in `place/out`."""
    with (place / "out").open("wb") as out:
        server = subprocess.Popen(
            command, stdout=out, stderr=out, cwd=place, env=os.environ | environ, start_new_session=True
        )
    try:
        until_it_listens(server, port, place / "out")
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)  # a script's server too
        server.wait()


def until_it_listens(server: subprocess.Popen[bytes], port: int, out: Path) -> None:
    ends = time.monotonic() + STARTS_S
    while time.monotonic() < ends:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert server.poll() is None, out.read_text(errors="replace")
        time.sleep(0.05)
    pytest.fail(f"no answer on its port within {STARTS_S} s: {out.read_text(errors='replace')}")


@contextlib.asynccontextmanager
async def behind_tls(port: int, tls: ssl.SSLContext) -> AsyncIterator[int]:
    """The port of a front that speaks TLS and passes everything on to the server at `port`."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_poured(reader, back), _poured(there, writer))

    async with listening(pass_on, tls=tls) as front:
        yield front


async def _poured(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def saying(*parts: bytes, then_close: bool = False, first: bool = False) -> AsyncIterator[int]:
    """The port of an unknown server: it sends its parts, one for each request.

    first    it speaks before it is spoken to
    """

    async def send_replies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            for number, part in enumerate(parts):
                if number or not first:
                    await reader.read(65_536)
                writer.write(part)
                await writer.drain()
            if not then_close:
                await reader.read(-1)
            writer.close()

    async with listening(send_replies) as port:
        yield port
