"""Scripted servers on loopback, over TCP or UDP."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Answers = Callable[[bytes], list[bytes]]


@contextlib.asynccontextmanager
async def listening(
    script: Script, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """The port of a server that runs `script(reader, writer)` for each connection, and at its end leaves none open.

    One that outlives its event loop is found by whichever test the garbage is collected in, and fails that one.
    """
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        await script(reader, writer)

    server = await asyncio.start_server(serve, host, port, ssl=tls)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def talking(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The same; a connection ends with its script, and with whatever goes wrong in it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, ssl.SSLError):
            await script(reader, writer)
        writer.close()

    async with listening(serve, tls=tls) as port:
        yield port


def saying(message: bytes, *, then_hanging: bool = False) -> Script:
    """Sends it to every client, then disconnects or waits."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(message)
        await writer.drain()
        if then_hanging:
            await reader.read()

    return script


def replying(message: bytes) -> Script:
    """Waits for a request, sends it, and disconnects."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(message)
        await writer.drain()

    return script


async def flooding(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends without end, as long as the client reads."""
    while not writer.is_closing():
        writer.write(b"a" * 65_536)
        await writer.drain()


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
async def sending(*parts: bytes, then_close: bool = False, first: bool = False) -> AsyncIterator[int]:
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


@contextlib.asynccontextmanager
async def datagrams(answers: Answers) -> AsyncIterator[int]:
    """The port of a server that answers each datagram with those that `answers` makes of it."""

    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            for one in answers(data):
                self.transport.sendto(one, addr)  # type: ignore[attr-defined]  # a datagram transport

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    try:
        yield int(transport.get_extra_info("sockname")[1])
    finally:
        transport.close()
        await asyncio.sleep(0)
