"""Reads a response body within a limit in bytes, compressed or not, whatever the target sends."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import aiohttp

from actors.probes.kit import content_codings
from actors.probes.kit.result import TargetFailed
from app.domain.parsing import charsets, page_charset

READ_LIMIT_BYTES = 1_048_576  # larger than any page that people search
SENT_LIMIT_BYTES = 2 * READ_LIMIT_BYTES  # on the wire and between two codings: a compressor can send for ever
DECODE_CHUNK_BYTES = 8_192  # decoded by the event loop at once: a sender can begin a new stream every twenty bytes
READING_BODY = "while reading an answer"  # note on a CancelledError raised here: the response had begun
EVALUATE_EVERY_S = 0.2  # between two evaluations of a body that is still coming
EVALUATE_PAUSE_FACTOR = 20  # the pause before the next evaluation, as a multiple of how long the last one took

IsEnough = Callable[[str], Awaitable[bool]]


async def read_bytes(response: aiohttp.ClientResponse, max_bytes: int = READ_LIMIT_BYTES) -> bytearray:
    """The first `max_bytes` of the decoded body. Raises TargetFailed when it can't be decoded, and aiohttp's errors."""
    body = BoundedBody(response, max_bytes)
    await body.read()
    return body.raw


async def drain(response: aiohttp.ClientResponse) -> None:
    """Read a body to its end and discard it, so that its connection can be reused; too long a one is left alone."""
    sent = 0
    while sent < SENT_LIMIT_BYTES and (chunk := await response.content.readany()):
        sent += len(chunk)
    response.release()


class BoundedBody:
    """A body that is being read: `raw` is what has been decoded so far, up to `max_bytes`."""

    def __init__(self, response: aiohttp.ClientResponse, max_bytes: int = READ_LIMIT_BYTES) -> None:
        self.raw = bytearray()
        self._response, self._max_bytes, self._is_whole, self._received_bytes = response, max_bytes, False, 0
        encodings = response.headers.getall("Content-Encoding", None)
        self._decoders = content_codings.decoders_for(encodings) if encodings else []
        self._bytes_left = [SENT_LIMIT_BYTES] * (len(self._decoders) - 1)  # output of each decoder but the last

    async def read(self) -> None:
        """Read to the end or to the limit. Raises as `read_bytes`; a CancelledError carries the note READING_BODY."""
        with _noting_cancellation():
            while await self._read_more():
                pass

    async def read_until(self, is_enough: IsEnough) -> str:
        """The text, as soon as `is_enough` accepts it: a response need not end. Raises as `read`."""
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
        """Read what comes within this time and ignore errors: for a body that is shown, not evaluated."""
        now = asyncio.get_running_loop().time
        until = now() + seconds
        with suppress(TargetFailed, aiohttp.ClientError):
            while now() < until and await self._read_more(until):
                pass

    async def text(self) -> str:
        """What has come so far as text, in the body's own charset."""
        charset, mark = page_charset.detect_charset(self.raw, self._response.headers.get("Content-Type", ""))
        parts: list[str] = []
        for part in charsets.decode_pieces(self.raw[mark:] if mark else self.raw, charset, whole=self._is_whole):
            if parts:
                await asyncio.sleep(0)
            parts.append(part)
        return "".join(parts)

    async def _read_more(self, until: float | None = None) -> bool:
        """Take the next chunk, or nothing when the loop's time reaches `until`. False at the end."""
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
        """The next chunk; None when the loop's time reaches `until` first."""
        try:
            async with asyncio.timeout_at(until) as timer:
                return await self._response.content.readany()
        except TimeoutError:
            if timer.expired():
                return None
            raise

    async def _decode(self, chunk: bytes) -> None:
        """Decode the chunk into `raw`, up to `max_bytes`."""
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
    """Append what the chunk decodes to, up to `max_bytes` in total."""
    for start in range(0, len(chunk), DECODE_CHUNK_BYTES):
        if len(decoded) < max_bytes:
            decoded += decoder.decode(chunk[start : start + DECODE_CHUNK_BYTES], max_bytes - len(decoded))
            await asyncio.sleep(0)


@contextmanager
def _noting_cancellation() -> Iterator[None]:
    """Add the note READING_BODY to a cancellation in this block."""
    try:
        yield
    except asyncio.CancelledError as cancelled:
        cancelled.add_note(READING_BODY)
        raise
