"""Decodes content codings (RFC 9110, 8.4.1) piece by piece, with a limit on the output.

An unknown coding means "as it is", as in browsers: servers write `none`, `utf-8` or `aws-chunked` there.
Bodies are decoded whether we accept the coding or not: caches send what they have.
"""

import sys
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

MAX_STREAMS = 1_000  # in one body: pages that are compressed in pieces have a few
MAX_CODINGS = 5  # of one body, one over the other; curl decodes as many
HEAD_BYTES = 18  # after so many bytes a stream has begun: gzip's header and trailer have as many
ZLIB_OR_GZIP, BARE_DEFLATE = 47, -15  # window bits of zlib
WINDOW_LOG_ZSTD = 23  # 8 MB, what a body may ask for (RFC 9659)


class UndecodableBody(Exception):  # noqa: N818  # about the body
    """The body can't be decoded; the message says why."""


class Decoder(Protocol):
    """Decodes one content coding."""

    def decode(self, chunk: bytes, max_bytes: int) -> bytes:
        """At most `max_bytes` out of this chunk; the rest is lost. Raises UndecodableBody for garbage."""


def decoders_for(names: Sequence[str]) -> list[Decoder]:
    """Decoders for these `Content-Encoding` headers, the outermost first."""
    known = [
        _DECODERS[name] for header in names for part in header.split(",") if (name := part.strip().lower()) in _DECODERS
    ]
    if len(known) > MAX_CODINGS:
        return [_TooManyCodings()]
    return [kind() for kind in reversed(known)]


class _StreamDecoder:
    """A coding whose streams may follow one another. Bytes after the last stream are ignored.

    new_stream    makes a decompressor for one stream, such as zlib's
    error         what that raises for garbage
    fallback      the same for a body that does not begin as it should
    """

    def __init__(
        self, new_stream: Callable[[], Any], error: type[Exception], fallback: Callable[[], Any] | None = None
    ) -> None:
        self._new_stream, self._error, self._fallback = new_stream, error, fallback
        self._stream, self._head, self._n_streams, self._ended = new_stream(), b"", 1, False

    def decode(self, chunk: bytes, max_bytes: int) -> bytes:
        """As in `Decoder`."""
        out = b""
        while chunk and len(out) < max_bytes and not self._ended:
            if self._stream.eof:
                self._start_stream()
            out += self._step(chunk, max_bytes - len(out))
            chunk = self._stream.unused_data
        return out

    def _start_stream(self) -> None:
        """Begin the next stream. Raises UndecodableBody for one too many: each takes time, even an empty one."""
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
            self._head += chunk if not out else bytes(HEAD_BYTES)  # a stream with output has begun as it should
        return out

    def _handle_garbage(self, chunk: bytes, max_bytes: int, error: Exception) -> bytes:
        """At the start of the body garbage is another coding, at the start of a later stream it is ignored.

        raises    UndecodableBody
        """
        fallback = self._fallback if self._n_streams == 1 else None
        if len(self._head) >= HEAD_BYTES or (self._n_streams == 1 and not fallback):
            raise UndecodableBody("the body's packing is broken") from error
        if not fallback:  # bytes after the end
            self._ended = True
            return b""
        self._stream, self._fallback = fallback(), None
        return self._step(self._head + chunk, max_bytes)


class _TooManyCodings:
    def decode(self, chunk: bytes, max_bytes: int) -> bytes:
        """As in `Decoder`."""
        del chunk, max_bytes
        raise UndecodableBody(f"the body is packed more than {MAX_CODINGS} times over")


class _BrotliDecoder:
    def __init__(self) -> None:
        import brotli  # noqa: PLC0415  # most checks never need it

        self._stream, self._error = brotli.Decompressor(), brotli.error

    def decode(self, chunk: bytes, max_bytes: int) -> bytes:
        """As in `Decoder`."""
        if self._stream.is_finished():  # bytes after the end
            return b""
        try:
            out: bytes = self._stream.process(chunk, output_buffer_limit=max_bytes)
        except self._error as error:
            raise UndecodableBody("the body's packing is broken") from error
        return out[:max_bytes]


def _zlib_decoder() -> Decoder:
    """gzip, zlib, or raw deflate, which some servers mean by `deflate`."""
    return _StreamDecoder(
        lambda: zlib.decompressobj(ZLIB_OR_GZIP), zlib.error, lambda: zlib.decompressobj(BARE_DEFLATE)
    )


def _zstd_decoder() -> Decoder:
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415  # most checks never need it
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
