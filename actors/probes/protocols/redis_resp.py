"""Redis's protocol, version 2, as far as a check needs it: one command out, one bounded reply in."""

import asyncio

from actors.probes.kit.result import TargetFailed

MAX_REPLY_BYTES = 1_000_000
MAX_ELEMENTS, MAX_DEPTH = 10_000, 4  # of lists in a reply
MAX_DIGITS = 20  # of a number: 64 bits and a sign
YIELD_EVERY = 500  # elements before other tasks get a turn: data that is already here is read without waiting

Reply = str | int | None | list["Reply"]


class RedisErrorReply(Exception):  # noqa: N818  # the server's own message
    """An error reply."""


def encode_command(*words: str) -> bytes:
    """A command in the server's format: no character in a word can end it."""
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in parts)


class ReplyReader:
    """Reads replies; all replies of a connection together are bounded."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader, self._bytes, self._elements = reader, MAX_REPLY_BYTES, MAX_ELEMENTS

    async def read(self, depth: int = 0) -> Reply:
        """The next reply. Raises RedisErrorReply for an error, TargetFailed for an invalid reply."""
        try:
            return await self._read(depth)
        except asyncio.IncompleteReadError as error:
            raise TargetFailed("the connection was closed without an answer") from error
        except (asyncio.LimitOverrunError, ValueError) as error:
            raise TargetFailed("the answer is not Redis's protocol") from error

    async def _read(self, depth: int) -> Reply:
        line = await self._line()
        kind, rest = line[:1], line[1:]
        if kind == "+":
            return rest
        if kind == "-":
            raise RedisErrorReply(rest)
        if kind == ":":
            return _parse_number(rest)
        if kind == "$":
            return await self._text(_parse_number(rest))
        if kind == "*" and depth < MAX_DEPTH:
            return await self._list(_parse_number(rest), depth)
        raise ValueError(kind)

    async def _line(self) -> str:
        line = await self._reader.readuntil(b"\r\n")
        self._spend(len(line))
        return line[:-2].decode("utf-8", "replace")

    async def _text(self, size: int) -> str | None:
        if size < 0:
            return None
        self._spend(size)
        return (await self._reader.readexactly(size + 2))[:-2].decode("utf-8", "replace")

    async def _list(self, size: int, depth: int) -> list[Reply] | None:
        self._elements -= size
        if self._elements < 0:
            raise TargetFailed(f"the answer has more than {MAX_ELEMENTS} elements")
        return None if size < 0 else [await self._element(number, depth) for number in range(size)]

    async def _element(self, number: int, depth: int) -> Reply:
        if number % YIELD_EVERY == YIELD_EVERY - 1:
            await asyncio.sleep(0)
        return await self.read(depth + 1)

    def _spend(self, size: int) -> None:
        self._bytes -= size
        if self._bytes < 0:
            raise TargetFailed("the answer is longer than 1 MB")


def _parse_number(digits: str) -> int:
    """A number on its own line. Raises ValueError."""
    if len(digits) > MAX_DIGITS:
        raise ValueError("a number longer than there are")
    return int(digits)
