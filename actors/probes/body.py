"""The words of an answer, as far as we read: bounded in bytes whatever the target sends, packed or not."""

import asyncio
import codecs
import re
import zlib
from typing import Any

import aiohttp

from actors.probes.seen import Failed

READ_LIMIT_BYTES = 1_048_576  # more than any page a person would search
SENT_LIMIT_BYTES = 2 * READ_LIMIT_BYTES  # on the wire: a packer can send for ever and mean nothing
MEMBERS = 1_000  # of one body: pages that are packed in pieces have a few
ZLIB_OR_GZIP, BARE_DEFLATE = 47, -15  # window bits of zlib
# What the event loop decodes or unpacks at once. Where no character stands for a byte, Python takes half a second for a
# megabyte; and a packer can begin a new member every twenty bytes.
PIECE_BYTES, PACKED_BYTES = 32_768, 8_192

ORDERS = {
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
}
# Charsets of texts. A target names the charset, and Python knows some whose decoding takes minutes.
_CHARSET = re.compile(r"ascii|utf-(8|16|32)(-[lb]e)?|iso8859-\d+|cp\d+|koi8-[rtu]|gb\w+|big5\w*|euc_\w+|shift_ji\w+")


async def text_of(answer: aiohttp.ClientResponse, most: int = READ_LIMIT_BYTES) -> str:
    """The first `most` bytes of the body as text. Raises Failed when it can't be unpacked, aiohttp's errors."""
    return await decoded(answer, await bytes_of(answer, most))


async def bytes_of(answer: aiohttp.ClientResponse, most: int = READ_LIMIT_BYTES) -> bytearray:
    """The first `most` bytes of the body, unpacked. Raises as `text_of`."""
    return await _unpacked(answer, answer.headers.get("Content-Encoding", "identity").strip().lower(), most)


async def decoded(answer: aiohttp.ClientResponse, body: bytes | bytearray) -> str:
    """A body as text, in the charset that the answer names; a long one piece by piece."""
    charset = charset_of(answer.charset)
    if len(body) <= PIECE_BYTES:
        return body.decode(charset, errors="replace")
    reader = codecs.getincrementaldecoder(_with_order(charset, body))("replace")
    parts = []
    for start in range(0, len(body), PIECE_BYTES):
        parts.append(reader.decode(body[start : start + PIECE_BYTES], final=start + PIECE_BYTES >= len(body)))
        await asyncio.sleep(0)
    return "".join(parts)


def _with_order(charset: str, body: bytes | bytearray) -> str:
    """The charset that says which byte is first, where the body does not: pieces are read strictly then."""
    return charset if body.startswith(ORDERS.get(charset, (b"",))) else f"{charset}-le"


async def drained(answer: aiohttp.ClientResponse) -> None:
    """Read a body to its end and forget it, so that its connection can serve again; one too long is left alone."""
    sent = 0
    while sent < SENT_LIMIT_BYTES and (chunk := await answer.content.readany()):
        sent += len(chunk)
    answer.release()


def charset_of(name: str | None) -> str:
    """A charset that is safe to decode; UTF-8 for those we don't know."""
    try:
        known = codecs.lookup(name or "utf-8").name
    except LookupError:
        return "utf-8"
    return known if _CHARSET.fullmatch(known) else "utf-8"


async def _unpacked(answer: aiohttp.ClientResponse, packing: str, most: int) -> bytearray:
    if packing not in {"identity", "gzip", "x-gzip", "deflate"}:
        raise Failed(f"the body came packed as {packing[:40]}, which was not asked for", code=answer.status)
    unpacker = None if packing == "identity" else Unpacker(answer.status)
    body, sent = bytearray(), 0
    while len(body) < most and sent < SENT_LIMIT_BYTES and (chunk := await answer.content.readany()):
        sent += len(chunk)
        if unpacker:
            await _unpack(unpacker, chunk, body, most)
        else:
            body += chunk[: most - len(body)]
    return body


async def _unpack(unpacker: "Unpacker", chunk: bytes, body: bytearray, most: int) -> None:
    """Add what the chunk holds to the body, up to so many bytes."""
    for start in range(0, len(chunk), PACKED_BYTES):
        if len(body) < most:
            body += unpacker.some(chunk[start : start + PACKED_BYTES], most - len(body))
            await asyncio.sleep(0)


class Unpacker:
    """gzip (one or more members in a row), zlib, or bare deflate as some servers mean by `deflate`."""

    def __init__(self, status: int) -> None:
        self._status = status
        self._stream = zlib.decompressobj(ZLIB_OR_GZIP)
        self._begun, self._members = False, 1

    def some(self, chunk: bytes, most: int) -> bytes:
        """At most `most` bytes out of this chunk; what is beyond them is lost. Raises Failed for garbage."""
        out = b""
        while chunk and len(out) < most:
            if self._stream.eof:
                self._stream = self._next()
            out += self._step(chunk, most - len(out))
            chunk = self._stream.unused_data
        return out

    def _next(self) -> Any:
        """The next member's stream. Raises Failed for one too many: each takes its time, even if it says nothing."""
        self._members += 1
        if self._members > MEMBERS:
            raise Failed("the body is packed in too many pieces", code=self._status)
        return zlib.decompressobj(ZLIB_OR_GZIP)

    def _step(self, chunk: bytes, most: int) -> bytes:
        try:
            out = self._stream.decompress(chunk, most)
        except zlib.error as error:
            if self._begun:
                raise Failed("the body's packing is broken", code=self._status) from error
            self._begun, self._stream = True, zlib.decompressobj(BARE_DEFLATE)
            return self._step(chunk, most)
        self._begun = True
        return out
