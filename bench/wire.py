"""A minimal HTTP server: whole requests in, bytes out. Targets and receivers are built on it."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable
from typing import cast

import uvloop

END = b"\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BACKLOG = 4_096  # thousands of new connections a second


def reply(body: bytes, status: bytes = b"200 OK") -> bytes:
    """A whole answer with a body."""
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def length_of(head: bytes) -> int:
    """Bytes of the body that the head announces."""
    lower = head.lower()
    at = lower.find(b"\r\ncontent-length:")
    return int(lower[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


class Wire(asyncio.Protocol):
    """One connection. `serve(wire, head, body)` is called for each whole request and answers through `send`."""

    def __init__(self, serve: Callable[["Wire", bytes, bytes], None]) -> None:
        self._serve = serve
        self._data = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's has its methods, not its class

    def data_received(self, data: bytes) -> None:
        """Hand over every request that is whole."""
        self._data += data
        while (end := self._data.find(END)) >= 0:
            head, whole = self._data[:end], end + len(END)
            if head[:3] != b"GET":
                whole += length_of(head)
            if len(self._data) < whole:
                return
            body, self._data = self._data[end + len(END) : whole], self._data[whole:]
            self._serve(self, head, body)

    def send(self, answer: bytes) -> None:
        """Answer; a closed connection is ignored."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)

    def cut(self) -> None:
        """Break the connection off."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the way back."""
        del exc
        self._transport = None


async def serve(handler: Callable[[Wire, bytes, bytes], None], port: int = 0) -> None:
    """Listen on loopback until terminated."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Wire(handler), "127.0.0.1", port, backlog=BACKLOG)
    await stay(server.sockets[0].getsockname()[1])
    server.close()


async def stay(port: int) -> None:
    """Print the port, then wait for the parent's end: standard input closes, or SIGTERM comes."""
    done = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    print(port, flush=True)
    orphaned = asyncio.create_task(_stdin_closed(done))
    await done.wait()
    orphaned.cancel()


async def _stdin_closed(done: asyncio.Event) -> None:
    reader = asyncio.StreamReader()
    with contextlib.suppress(ValueError, OSError):  # no pipe: started by hand
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        await reader.read()
        done.set()


def run(handler: Callable[[Wire, bytes, bytes], None], port: int = 0) -> None:
    """Serve until terminated."""
    uvloop.run(serve(handler, port))
