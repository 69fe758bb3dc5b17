"""The behaviour of hostile servers, for a connection or a datagram. All of it is bounded."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

# Text that is none: not UTF-8, NUL, an escape sequence, a bell, a sign that turns letters, half a surrogate pair.
POISON = b"caf\xe9 \x00 \x1b[31m\x07 \xe2\x80\xae \xed\xa0\x80 end"
NO_LENGTH = b"\xff\xff\xff\xff"  # where a length is wanted: four gigabytes, or -1
REQUEST_BYTES = 65_536
PART = b"a" * 65_536
FLOOD_BYTES = 10_000_000_000
BITE_S = 1.0
LINGER_NOT = struct.pack("ii", 1, 0)

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Answers = Callable[[bytes], list[bytes]]


class Kind(Struct, frozen=True, kw_only=True):
    """One hostile server, and the monitor that looks at it.

    name      what is wrong with it
    type      of the monitor
    config    of the monitor, given the server's port
    script    what it does with a connection; None for one that speaks in datagrams
    answers   what it answers to a datagram
    tls       which certificate it shows, if any (`certificates.CONTEXTS`)
    refused   whether the API may refuse the monitor itself with 422
    """

    name: str
    type: str
    config: Callable[[int], dict[str, Any]]
    script: Script | None = None
    answers: Answers | None = None
    tls: str = ""
    refused: bool = False


def sending(*parts: bytes, hanging: bool = False) -> Script:
    """Sends this to every client, then disconnects or waits."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(parts))
        await writer.drain()
        if hanging:
            await reader.read()

    return script


def replying(*replies: bytes, hanging: bool = False) -> Script:
    """Waits for a question, sends the next reply, and so on; then hangs up, or waits."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            if not await reader.read(REQUEST_BYTES):
                return
            writer.write(reply)
            await writer.drain()
        if hanging:
            await reader.read()

    return script


def computing(*replies: Callable[[bytes], bytes], first: bytes = b"") -> Script:
    """The same, with each reply computed from its request.

    first    sent before the first request
    """

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        for reply in replies:
            if not (request := await reader.read(REQUEST_BYTES)):
                return
            writer.write(reply(request))
            await writer.drain()
        await reader.read()

    return script


def flooding(first: bytes = b"", part: bytes = PART, *, after_request: bool = True) -> Script:
    """Sends the same part as long as the client reads, ten gigabytes at most."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if after_request:
            await reader.read(REQUEST_BYTES)
        writer.write(first)
        whole = part * max(1, len(PART) // len(part))
        for _ in range(FLOOD_BYTES // len(whole)):
            if writer.is_closing():
                return
            writer.write(whole)
            await writer.drain()

    return script


def dripping(first: bytes = b"", bite: bytes = b"a", *, after_request: bool = True) -> Script:
    """One bite a second, for ever."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if after_request:
            await reader.read(REQUEST_BYTES)
        writer.write(first)
        while not writer.is_closing():
            writer.write(bite)
            await writer.drain()
            await asyncio.sleep(BITE_S)

    return script


def resetting(first: bytes = b"") -> Script:
    """Sends some, then breaks the connection off so that the other side sees a reset."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(REQUEST_BYTES)
        writer.write(first)
        await writer.drain()
        own: socket.socket = writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        writer.transport.abort()

    return script


async def half_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ends its own direction at once, and keeps the other one open without a word."""
    if writer.can_write_eof():
        writer.write_eof()
    await reader.read()


async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the connection and never reads a byte."""
    del reader
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # the writer's transport reads too
    await asyncio.Event().wait()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads everything and sends nothing."""
    while await reader.read(REQUEST_BYTES):
        pass
    del writer


def local(**more: Any) -> Callable[[int], dict[str, Any]]:
    """The config of a monitor with host and port."""
    return lambda port: {"host": "127.0.0.1", "port": port, **more}


def value_is(expected: str) -> list[dict[str, str]]:
    """Assertions that turn whatever was read into a failure with the value in its message."""
    return [{"type": "value", "operator": "==", "expected": expected}]
