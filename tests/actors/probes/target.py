"""HTTP targets on loopback, good and hostile: each serves one connection after the other from its script."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

END = b"\r\n\r\n"

Script = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Target:
    """A server and its requests: `heads` in order, as text."""

    def __init__(self, script: Script, host: str) -> None:
        self._script, self.host, self.port = script, host, 0
        self.heads: list[str] = []
        self._writers: set[asyncio.StreamWriter] = set()

    def url(self, path: str = "/", scheme: str = "http") -> str:
        return f"{scheme}://{self.host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, EOFError, ssl.SSLError):
            head = await reader.readuntil(END)
            self.heads.append(head.decode("latin-1"))
            await self._script(head, writer)
        writer.close()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def serving(
    script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Target]:
    """A target that runs `script(head, writer)` for every request."""
    target = Target(script, host)
    server = await asyncio.start_server(target.serve, "127.0.0.1", 0, ssl=tls)
    target.port = server.sockets[0].getsockname()[1]
    try:
        yield target
    finally:
        server.close()
        target.hang_up()
        await asyncio.sleep(0)


def answering(body: bytes = b"ok", status: str = "200 OK", *, headers: str = "", after_s: float = 0.0) -> Script:
    """A script that answers the same every time."""

    async def script(head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(after_s)
        content = b"" if head.startswith(b"HEAD") else body
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + content)
        await writer.drain()

    return script


def redirecting(location: str, status: str = "302 Found") -> Script:
    """A script that redirects every request."""
    return answering(b"", status, headers=f"Location: {location}\r\n")


async def silent(head: bytes, writer: asyncio.StreamWriter) -> None:
    """Reads the request and sends nothing."""
    await asyncio.sleep(30)


async def dripping(head: bytes, writer: asyncio.StreamWriter) -> None:
    """A header that never ends, a byte at a time."""
    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.01)


async def flooding(head: bytes, writer: asyncio.StreamWriter) -> None:
    """A body of up to ten gigabytes, as long as the client reads."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"a" * 65_536)
        await writer.drain()
