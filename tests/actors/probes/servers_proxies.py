"""Real proxies on loopback: tinyproxy, microsocks and dante, each a process of the tests' own."""

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from bench.ports import unused_port


def found(binary: str, package: str) -> str:
    """Where a server's program is; without it the test is skipped."""
    where = shutil.which(binary)
    if where is None:
        pytest.skip(f"{binary} is not here: apt-get install {package}")
    return where


@contextlib.contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
    """A process that listens on the port."""
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert server.poll() is None, f"{command[0]} ended at its start"
            time.sleep(0.02)
        yield port
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture(scope="session")
def tinyproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """An HTTP proxy that wants to know ann's password."""
    place, port = tmp_path_factory.mktemp("tinyproxy"), unused_port()
    (place / "tinyproxy.conf").write_text(
        f"Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\nBasicAuth ann sesame\n"
        f'LogFile "{place}/log"\nLogLevel Info\nAllow 127.0.0.1\n'
    )
    with running([found("tinyproxy", "tinyproxy"), "-d", "-c", str(place / "tinyproxy.conf")], port) as at:
        yield at


@pytest.fixture(scope="session")
def microsocks() -> Iterator[int]:
    """A SOCKS5 proxy that wants to know ann's password."""
    port = unused_port()
    command = [found("microsocks", "microsocks"), "-i", "127.0.0.1", "-p", str(port), "-u", "ann", "-P", "sesame"]
    with running(command, port) as at:
        yield at


@pytest.fixture(scope="session")
def dante(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A SOCKS4 and SOCKS5 proxy that permits every client and every address but 127.0.0.66."""
    place, port = tmp_path_factory.mktemp("dante"), unused_port()
    (place / "danted.conf").write_text(DANTE.format(place=place, port=port))
    with running(
        [found("danted", "dante-server"), "-f", str(place / "danted.conf"), "-p", str(place / "pid")], port
    ) as at:
        yield at


DANTE = """
logoutput: {place}/log
internal: 127.0.0.1 port = {port}
external: 127.0.0.1
socksmethod: none
clientmethod: none
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}
socks block {{ from: 127.0.0.0/8 to: 127.0.0.66/32 }}
socks pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}
"""


@contextlib.asynccontextmanager
async def behind_tls(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """The same service over TLS: makes an HTTP proxy an HTTPS one."""
    busy: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        for source, sink in ((reader, inner_writer), (inner_reader, writer)):
            task = asyncio.create_task(_pump(source, sink))
            busy.add(task)
            task.add_done_callback(busy.discard)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in tuple(busy):
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await source.read(65_536):
            sink.write(chunk)
            await sink.drain()
    sink.close()
