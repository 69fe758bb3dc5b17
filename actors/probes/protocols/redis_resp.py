"""Redis's protocol, version 2, as far as a check needs it: one command out, one bounded reply in."""

import asyncio

from actors.probes.kit.result import Failed

REPLY_BYTES = 1_000_000
ELEMENTS, DEPTH = 10_000, 4  # of lists in a reply
DIGITS = 20  # of a number: 64 bits and a sign
AT_ONCE = 500  # elements that are read before others have their turn: what has come already is read without waiting

Reply = str | int | None | list["Reply"]


class Said(Exception):  # noqa: N818  # the server's own word
    """An error reply."""


def command(*words: str) -> bytes:
    """A command as the server reads it: nothing in a word can end it."""
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in parts)


class Replies:
    """Reads replies; all of a connection's together are bounded."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader, self._bytes, self._elements = reader, REPLY_BYTES, ELEMENTS

    async def one(self, depth: int = 0) -> Reply:
        """The next reply. Raises Said for an error, Failed for what is no reply at all."""
        try:
            return await self._one(depth)
        except asyncio.IncompleteReadError as error:
            raise Failed("the connection was closed without an answer") from error
        except (asyncio.LimitOverrunError, ValueError) as error:
            raise Failed("the answer is not Redis's protocol") from error

    async def _one(self, depth: int) -> Reply:
        line = await self._line()
        kind, rest = line[:1], line[1:]
        if kind == "+":
            return rest
        if kind == "-":
            raise Said(rest)
        if kind == ":":
            return _number(rest)
        if kind == "$":
            return await self._text(_number(rest))
        if kind == "*" and depth < DEPTH:
            return await self._list(_number(rest), depth)
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
            raise Failed(f"the answer has more than {ELEMENTS} elements")
        return None if size < 0 else [await self._element(number, depth) for number in range(size)]

    async def _element(self, number: int, depth: int) -> Reply:
        if number % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
        return await self.one(depth + 1)

    def _spend(self, size: int) -> None:
        self._bytes -= size
        if self._bytes < 0:
            raise Failed("the answer is longer than 1 MB")


def _number(digits: str) -> int:
    """What stands on a line by itself. Raises ValueError."""
    if len(digits) > DIGITS:
        raise ValueError("a number longer than there are")
    return int(digits)
