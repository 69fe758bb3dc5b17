"""Content codings (RFC 9110, 8.4.1): what a body was packed by, undone piece by piece and bounded in what comes out.

What is no coding's name means "as it is", as to browsers: servers write `none`, `utf-8` or `aws-chunked` there.
Packings are undone whether they were asked for or not: caches send what they have.
"""

import sys
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

MAX_STREAMS = 1_000  # of one body: pages that are packed in pieces have a few
MAX_CODINGS = 5  # of one body, one over the other; curl undoes as many
HEAD_BYTES = 18  # from which on a stream that can be read is one: gzip's head and end have as many
ZLIB_OR_GZIP, BARE_DEFLATE = 47, -15  # window bits of zlib
WINDOW_LOG_ZSTD = 23  # 8 MB, what a body may ask for (RFC 9659)


class UndecodableBody(Exception):  # noqa: N818  # a fact about the body
    """The body can't be unpacked; the sentence says why."""


class Decoder(Protocol):
    """One packing being undone."""

    def decode(self, chunk: bytes, max_bytes: int) -> bytes:
        """At most `most` bytes out of this chunk; what is beyond them is lost. Raises Broken for garbage."""


def decoders_for(names: Sequence[str]) -> list[Decoder]:
    """What undoes these `Content-Encoding` headers, the outermost first."""
    known = [
        _DECODERS[name] for header in names for part in header.split(",") if (name := part.strip().lower()) in _DECODERS
    ]
    if len(known) > MAX_CODINGS:
        return [_TooManyCodings()]
    return [kind() for kind in reversed(known)]


class _StreamDecoder:
    """A packing whose streams may stand in a row. What follows the last of them, and is none, means nothing.

    begin    makes what reads one stream, such as zlib's
    error    what that raises for garbage
    instead  the same for a body that does not begin as it should
    """

    def __init__(
        self, new_stream: Callable[[], Any], error: type[Exception], fallback: Callable[[], Any] | None = None
    ) -> None:
        self._new_stream, self._error, self._fallback = new_stream, error, fallback
        self._stream, self._head, self._n_streams, self._ended = new_stream(), b"", 1, False

    def decode(self, chunk: bytes, max_bytes: int) -> bytes:
        """As an Unpacker has it."""
        out = b""
        while chunk and len(out) < max_bytes and not self._ended:
            if self._stream.eof:
                self._start_stream()
            out += self._step(chunk, max_bytes - len(out))
            chunk = self._stream.unused_data
        return out

    def _start_stream(self) -> None:
        """Begin the next stream. Raises Broken for one too many: each takes its time, even if it says nothing."""
        self._n_streams += 1
        if self._n_streams > MAX_STREAMS:
            raise UndecodableBody("the body is packed in too many pieces")
        self._stream, self._head = self._new_stream(), b""

    def _step(self, chunk: bytes, max_bytes: int) -> bytes:
        try:
            out: bytes = self._stream.decompress(chunk, max_bytes)
        except self._error as error:
            return self._handle_garbage(chunk, max_bytes, error)
        if len(self._head) < HEAD_BYTES:
            self._head += chunk if not out else bytes(HEAD_BYTES)  # what has said something has begun as it should
        return out

    def _handle_garbage(self, chunk: bytes, max_bytes: int, error: Exception) -> bytes:
        """What garbage is: another packing, when all of the body is; when all of a stream is, none. Raises Broken."""
        fallback = self._fallback if self._n_streams == 1 else None
        if len(self._head) >= HEAD_BYTES or (self._n_streams == 1 and not fallback):
            raise UndecodableBody("the body's packing is broken") from error
        if not fallback:  # bytes behind the end
            self._ended = True
            return b""
        self._stream, self._fallback = fallback(), None
        return self._step(self._head + chunk, max_bytes)


class _TooManyCodings:
    def decode(self, chunk: bytes, max_bytes: int) -> bytes:
        """As an Unpacker has it."""
        del chunk, max_bytes
        raise UndecodableBody(f"the body is packed more than {MAX_CODINGS} times over")


class _BrotliDecoder:
    def __init__(self) -> None:
        import brotli  # noqa: PLC0415  # a library that most checks never need

        self._stream, self._error = brotli.Decompressor(), brotli.error

    def decode(self, chunk: bytes, max_bytes: int) -> bytes:
        """As an Unpacker has it."""
        if self._stream.is_finished():  # bytes behind the end
            return b""
        try:
            out: bytes = self._stream.process(chunk, output_buffer_limit=max_bytes)
        except self._error as error:
            raise UndecodableBody("the body's packing is broken") from error
        return out[:max_bytes]


def _zlib_decoder() -> Decoder:
    """gzip, zlib, or bare deflate as some servers mean by `deflate`."""
    return _StreamDecoder(
        lambda: zlib.decompressobj(ZLIB_OR_GZIP), zlib.error, lambda: zlib.decompressobj(BARE_DEFLATE)
    )


def _zstd_decoder() -> Decoder:
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415  # a library that most checks never need
    else:
        from backports import zstd  # noqa: PLC0415  # the same

    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: WINDOW_LOG_ZSTD}
    return _StreamDecoder(lambda: zstd.ZstdDecompressor(options=options), zstd.ZstdError)


_DECODERS: dict[str, Callable[[], Decoder]] = {
    "gzip": _zlib_decoder,
    "x-gzip": _zlib_decoder,
    "deflate": _zlib_decoder,
    "br": _BrotliDecoder,
    "zstd": _zstd_decoder,
}
