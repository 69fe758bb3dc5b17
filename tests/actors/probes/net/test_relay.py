"""The relay for libraries that connect by themselves: all bytes arrive, and no connection stays open."""

import asyncio
import contextlib
import errno
import gc
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial

import pytest

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


@pytest.mark.parametrize("turns", range(8))
async def test_a_connection_that_comes_as_the_relay_ends_is_closed(turns) -> None:
    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        await asyncio.Event().wait()
        raise OSError

    with socket.socket(socket.AF_UNIX) as library:
        async with open_relay(connect) as place:
            library.connect("\0" + place.removeprefix("unix-abstract:"))
            for _ in range(turns):  # of the loop, on its way from the accepted connection to the task that serves it
                await asyncio.sleep(0)
        library.setblocking(False)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(library, 1), 5) == b""


async def test_a_connection_is_accepted_once_there_is_a_descriptor_again(monkeypatch) -> None:
    accept, failures = socket.socket.accept, [OSError(errno.EMFILE, "Too many open files")]

    def accept_later(listener: socket.socket) -> tuple[socket.socket, object]:
        if listener.family is socket.AF_UNIX and failures:
            raise failures.pop()
        return accept(listener)

    monkeypatch.setattr(socket.socket, "accept", accept_later)
    monkeypatch.setattr(relay, "ACCEPT_RETRY_S", 0.01)
    async with echoing() as port, open_relay(partial(asyncio.open_connection, "127.0.0.1", port)) as place:
        assert await answered(place, b"hello") == b"hello"
    assert not failures


async def test_a_relay_that_ends_without_descriptors_accepts_none_later(monkeypatch) -> None:
    def refuse(_: socket.socket) -> None:
        calls.append(1)
        raise OSError(errno.EMFILE, "Too many open files")

    calls: list[int] = []
    monkeypatch.setattr(socket.socket, "accept", refuse)
    monkeypatch.setattr(relay, "ACCEPT_RETRY_S", 0.05)
    with socket.socket(socket.AF_UNIX) as library:
        async with open_relay(partial(asyncio.open_connection, "127.0.0.1", 9)) as place:
            library.connect("\0" + place.removeprefix("unix-abstract:"))
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
    assert calls == [1]
