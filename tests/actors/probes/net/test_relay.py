"""The relay for libraries that connect by themselves: all bytes arrive, and no connection stays open."""

import asyncio
import contextlib
import gc
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial

from actors.probes.net import relay
from actors.probes.net.relay import open_relay
from app.security.network.egress import EgressDenied

STRANGER = """
import socket, sys
one = socket.socket(socket.AF_UNIX)
one.connect("\\0" + sys.argv[1])
one.settimeout(20)
try:
    print(one.recv(1))
except ConnectionError:
    print(b"")
"""


@contextlib.asynccontextmanager
async def echoing() -> AsyncIterator[int]:
    """A server that sends back all it gets, and ends when its peer does; its port."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(-1))
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def answered(place: str, data: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection("\0" + place.removeprefix("unix-abstract:"))
    try:
        writer.write(data)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(-1), 20)
    finally:
        writer.transport.abort()


async def test_all_of_it_arrives_either_way() -> None:
    data = bytes(range(256)) * 4_000
    async with echoing() as port, open_relay(partial(asyncio.open_connection, "127.0.0.1", port)) as place:
        assert await answered(place, data) == data


async def test_too_much_ends_the_connection(monkeypatch) -> None:
    monkeypatch.setattr(relay, "MOST_BYTES", 1_000)
    async with echoing() as port, open_relay(partial(asyncio.open_connection, "127.0.0.1", port)) as place:
        with contextlib.suppress(ConnectionError):
            assert len(await answered(place, b"x" * 5_000)) <= 1_000


async def test_a_connection_to_a_closed_port_ends(free_port) -> None:
    async with open_relay(partial(asyncio.open_connection, "127.0.0.1", free_port)) as place:
        with contextlib.suppress(ConnectionError):
            assert await answered(place, b"x") == b""


async def test_a_connection_denied_by_the_egress_policy_is_closed(caplog) -> None:
    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        raise EgressDenied("the rules have changed")

    async with open_relay(connect) as place:
        with contextlib.suppress(ConnectionError):
            assert await answered(place, b"x") == b""
    gc.collect()
    assert caplog.text == ""


async def test_no_other_process_is_let_in() -> None:
    requests = []

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        requests.append(1)
        raise OSError

    async with open_relay(connect) as place:
        name = place.removeprefix("unix-abstract:")
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", STRANGER, name], capture_output=True, check=True
        )
    assert (done.stdout.strip(), requests) == (b"b''", [])
