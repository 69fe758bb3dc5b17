"""The words of an answer, as far as we read: bounded in bytes whatever the target sends, packed or not."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import aiohttp

from actors.probes.kit import content_codings
from actors.probes.kit.result import TargetFailed
from app.domain.parsing import charsets, page_charset

READ_LIMIT_BYTES = 1_048_576  # more than any page a person would search
SENT_LIMIT_BYTES = 2 * READ_LIMIT_BYTES  # on the wire, and between two packings: a packer can send for ever
DECODE_CHUNK_BYTES = 8_192  # that the event loop unpacks at once: a packer can begin a new stream every twenty bytes
READING_BODY = "while reading an answer"  # note on a cancellation that struck here: the answer had begun
EVALUATE_EVERY_S = 0.2  # until the words of an answer that goes on are looked through, and again
EVALUATE_PAUSE_FACTOR = 20  # times as long as a look took, until the next one

IsEnough = Callable[[str], Awaitable[bool]]


async def read_text(response: aiohttp.ClientResponse, max_bytes: int = READ_LIMIT_BYTES) -> str:
    """The first `most` bytes of the body as text. Raises Failed when it can't be unpacked, aiohttp's errors."""
    body = BoundedBody(response, max_bytes)
    await body.read()
    return await body.text()


async def read_bytes(response: aiohttp.ClientResponse, max_bytes: int = READ_LIMIT_BYTES) -> bytearray:
    """The first `most` bytes of the body, unpacked. Raises as `text_of`."""
    body = BoundedBody(response, max_bytes)
    await body.read()
    return body.raw


async def drain(response: aiohttp.ClientResponse) -> None:
    """Read a body to its end and forget it, so that its connection can serve again; one too long is left alone."""
    sent = 0
    while sent < SENT_LIMIT_BYTES and (chunk := await response.content.readany()):
        sent += len(chunk)
    response.release()


class BoundedBody:
    """A body that is being read: `raw` is what has come of it, unpacked, up to `most` bytes."""

    def __init__(self, response: aiohttp.ClientResponse, max_bytes: int = READ_LIMIT_BYTES) -> None:
        self.raw = bytearray()
        self._response, self._max_bytes, self._is_whole, self._received_bytes = response, max_bytes, False, 0
        encodings = response.headers.getall("Content-Encoding", None)
        self._decoders = content_codings.decoders_for(encodings) if encodings else []
        self._bytes_left = [SENT_LIMIT_BYTES] * (
            len(self._decoders) - 1
        )  # bytes that may still come out of all but one

    async def read(self) -> None:
        """Read to the end, or as far as we read. Raises as `text_of`; a CancelledError carries the note UNENDED."""
        with _noting_cancellation():
            while await self._read_more():
                pass

    async def read_until(self, is_enough: IsEnough) -> str:
        """The text, as soon as there is enough of it: an answer need not end. Raises as `read`."""
        now = asyncio.get_running_loop().time
        evaluated_bytes, due_at = 0, now() + EVALUATE_EVERY_S
        with _noting_cancellation():
            while await self._read_more(due_at if len(self.raw) > evaluated_bytes else None):
                began = now()
                if began < due_at or len(self.raw) == evaluated_bytes:
                    continue
                evaluated_bytes, text = len(self.raw), await self.text()
                if await is_enough(text):
                    return text
                due_at = now() + max(EVALUATE_EVERY_S, EVALUATE_PAUSE_FACTOR * (now() - began))
        return await self.text()

    async def read_for(self, seconds: float) -> None:
        """Read what comes within this time, as far as it can be read: for what is shown and not judged."""
        now = asyncio.get_running_loop().time
        until = now() + seconds
        with suppress(TargetFailed, aiohttp.ClientError):
            while now() < until and await self._read_more(until):
                pass

    async def text(self) -> str:
        """What has come as text, in the charset that it is written in."""
        charset, mark = page_charset.detect_charset(self.raw, self._response.headers.get("Content-Type", ""))
        parts: list[str] = []
        for part in charsets.decode_pieces(self.raw[mark:] if mark else self.raw, charset, whole=self._is_whole):
            if parts:
                await asyncio.sleep(0)
            parts.append(part)
        return "".join(parts)

    async def _read_more(self, until: float | None = None) -> bool:
        """Take what comes next, or nothing when the loop's time comes to `until`. False when there is no more."""
        content = self._response.content
        chunk = await (content.readany() if until is None or content.at_eof() else self._read_chunk(until))
        if chunk is None:
            return True
        if not chunk:
            self._is_whole = True
            return False
        self._received_bytes += len(chunk)
        await self._decode(chunk)
        return (
            len(self.raw) < self._max_bytes
            and self._received_bytes < SENT_LIMIT_BYTES
            and min(self._bytes_left, default=1) > 0
        )

    async def _read_chunk(self, until: float) -> bytes | None:
        """What comes next; None when the loop's time comes to `until` before."""
        try:
            async with asyncio.timeout_at(until) as timer:
                return await self._response.content.readany()
        except TimeoutError:
            if timer.expired():
                return None
            raise

    async def _decode(self, chunk: bytes) -> None:
        """Add what the chunk holds, up to `most` bytes."""
        if not self._decoders:
            self.raw += chunk[: self._max_bytes - len(self.raw)]
            return
        try:
            for number, decoder in enumerate(self._decoders[:-1]):
                decoded = bytearray()
                await _decode_into(decoder, chunk, decoded, self._bytes_left[number])
                self._bytes_left[number] -= len(decoded)
                chunk = bytes(decoded)
            await _decode_into(self._decoders[-1], chunk, self.raw, self._max_bytes)
        except content_codings.UndecodableBody as error:
            raise TargetFailed(str(error), code=self._response.status) from error


async def _decode_into(decoder: content_codings.Decoder, chunk: bytes, decoded: bytearray, max_bytes: int) -> None:
    """Add what the chunk holds to what was found, up to so many bytes."""
    for start in range(0, len(chunk), DECODE_CHUNK_BYTES):
        if len(decoded) < max_bytes:
            decoded += decoder.decode(chunk[start : start + DECODE_CHUNK_BYTES], max_bytes - len(decoded))
            await asyncio.sleep(0)


@contextmanager
def _noting_cancellation() -> Iterator[None]:
    """A cancellation in here gets the note UNENDED."""
    try:
        yield
    except asyncio.CancelledError as cancelled:
        cancelled.add_note(READING_BODY)
        raise
