"""Reads one HTTP response from the bytes of a connection, in the place of aiohttp's parser.

aiohttp's refuses what curl and browsers take: redundant framing, bytes after the end, a HEAD that is answered with a
body. A check asks once and closes, so none of this can confuse a next response; and a connection that saw any of it
serves no other request. Bodies come as they were sent: whoever asks unpacks them.
"""

import re

from aiohttp import ClientPayloadError
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from aiohttp.http_exceptions import BadHttpMessage, ContentLengthError, TransferEncodingError
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from app.security.network.response_head import (
    CHUNKED,
    UNTIL_CLOSE,
    ResponseHead,
    may_be_head,
    not_http_error,
    read_head,
)

HEAD_BYTES = 307_200  # of all heads of a response, as curl has it
LINE_BYTES = 16_384  # of what stands before a chunk
MAX_INTERIMS = 50  # heads before the response that announce another one; real servers send one or two
SWITCHING = 101
WITHOUT_BODY = frozenset({SWITCHING, 204, 304})
HEAD, LENGTH, CHUNKS, TRAILERS, CLOSE, DONE = range(6)  # what the next bytes belong to

ParsedResponse = tuple[RawResponseMessage, StreamReader]
FeedResult = tuple[
    tuple[ParsedResponse, ...], bool, bytes
]  # as aiohttp's protocol wants it: responses, an upgrade, what follows it
NO_RESULT: FeedResult = ((), False, b"")
_END = re.compile(rb"\n\r{0,8}\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})(?![0-9A-Za-z])[^\n]*\n")
_NEXT_CHUNK = re.compile(rb"\r{0,8}\n([0-9A-Fa-f]{1,16})(?![0-9A-Za-z])[^\n]*\n")
_MAY_CONTINUE = {
    _CHUNK: re.compile(rb"(?:[0-9A-Fa-f]{1,16}(?:[^0-9A-Za-z\n][^\n]*)?)?"),
    _NEXT_CHUNK: re.compile(rb"\r{0,8}(?:\n(?:[0-9A-Fa-f]{1,16}(?:[^0-9A-Za-z\n][^\n]*)?)?)?"),
}
_LINE_END = b"\r\n"


class ResponseReader:
    """One response's reader, with the methods that aiohttp's protocol calls.

    without_body    the request was a HEAD
    limit           bytes of a body that are held before the other side has to wait
    """

    _state = HEAD
    _payload: StreamReader = EMPTY_PAYLOAD
    _buffer = b""  # what is not whole yet
    _remaining = 0  # bytes of the body, or of its chunk
    _chunk_line = _CHUNK  # what stands before a chunk
    _interims = _head_bytes = 0

    def __init__(self, protocol: ResponseHandler, limit: int, *, without_body: bool) -> None:
        self._protocol, self._limit, self._without_body = protocol, limit, without_body

    def feed_data(self, data: bytes) -> FeedResult:
        """Take what came. Raises BadHttpMessage for what is no response; a body's fault goes to its reader."""
        if self._state == HEAD:
            return self._feed_head(data)
        if data:
            self._feed_body(data)
        return NO_RESULT

    def feed_eof(self) -> None:
        """The connection has ended. Raises for a body that has not."""
        if self._state == LENGTH:
            raise ContentLengthError(f"{self._remaining} bytes of the body are missing")
        if self._state == CHUNKS:
            raise TransferEncodingError("the last chunk is missing")
        if self._state != HEAD:
            self._complete()

    def pause_reading(self) -> None:
        """The protocol's call. Its transport pauses; what has come already is no more than one piece."""

    def truncated_head(self) -> ParsedResponse | None:
        """What stands where a connection ended in its head: enough, if the status line is whole (as for curl)."""
        if self._state != HEAD or b"\n" not in self._buffer:
            return None
        head = read_head(self._buffer.rpartition(b"\n")[0].rstrip(b"\r\n"))
        return None if self._is_interim(head) else self._begin_response(head)

    def _feed_head(self, data: bytes) -> FeedResult:
        before = len(self._buffer)
        if before:
            data = self._buffer + data
        if data[:1] in _LINE_END:
            data = data.lstrip(_LINE_END)
        found = _END.search(data, max(0, before - 10))
        end = found.end() if found else len(data)
        self._head_bytes += end - before
        if self._head_bytes > HEAD_BYTES:
            raise BadHttpMessage("its head is too long")
        if found is None:
            return self._buffer_head(data)
        self._buffer = b""
        head = read_head(data[: found.start()])
        if head.status < 200 and self._is_interim(head):  # noqa: PLR2004  # interim ones are below
            return self._feed_head(data[end:])
        message = self._begin_response(head)
        if head.status == SWITCHING:
            return (message,), True, data[end:]
        if end < len(data):
            self._feed_body(data[end:])
        return (message,), False, b""

    def _buffer_head(self, data: bytes) -> FeedResult:
        if not may_be_head(data):
            raise not_http_error(data)
        self._buffer = data
        return NO_RESULT

    def _is_interim(self, head: ResponseHead) -> bool:
        """Whether another head follows. Raises BadHttpMessage after too many of them."""
        if head.status >= 200 or head.status == SWITCHING:  # noqa: PLR2004  # interim ones are below
            return False
        self._interims += 1
        if self._interims > MAX_INTERIMS:
            raise BadHttpMessage("too many interim answers")
        return True

    def _begin_response(self, head: ResponseHead) -> ParsedResponse:
        length = 0 if self._without_body or head.status in WITHOUT_BODY else head.length
        if length == 0:
            self._state = DONE
        else:
            self._state = CHUNKS if length == CHUNKED else CLOSE if length == UNTIL_CLOSE else LENGTH
            self._remaining = max(0, length)
            self._payload = StreamReader(self._protocol, self._limit, loop=self._protocol._loop)  # noqa: SLF001  # its reader's
        should_close = length == UNTIL_CLOSE or not head.keep_alive
        message = RawResponseMessage(
            head.version,
            head.status,
            head.reason,
            head.headers,
            (),
            should_close,
            None,
            head.status == SWITCHING,
            length == CHUNKED,
        )
        return message, self._payload

    def _feed_body(self, data: bytes) -> None:
        if self._state == LENGTH:
            self._feed_sized(data)
        elif self._state == CLOSE:
            self._payload.feed_data(data)
        elif self._state == CHUNKS:
            self._feed_chunks(self._buffer + data)
        elif self._state == TRAILERS:
            self._feed_trailers(self._buffer + data)
        else:
            self._close_connection()

    def _feed_sized(self, data: bytes) -> None:
        left = self._remaining - len(data)
        self._payload.feed_data(data if left >= 0 else data[:left])
        self._remaining = left
        if left <= 0:
            self._complete(has_excess=left < 0)

    def _feed_chunks(self, data: bytes) -> None:
        """All chunks that are whole, and as much as is there of the last one, in one piece."""
        pieces: list[bytes] = []
        at, left, line_before = 0, self._remaining, self._chunk_line
        while True:
            if left:
                pieces.append(data[at : at + left])
                at += len(pieces[-1])
                left -= len(pieces[-1])
            line = None if left else line_before.match(data, at)
            if line is None:
                break
            at, left, line_before = line.end(), int(line[1], 16), _NEXT_CHUNK
            if not left:
                self._state = TRAILERS
                break
        self._remaining, self._chunk_line = left, line_before
        self._payload.feed_data(b"".join(pieces))
        self._feed_after_chunks(data[at:])

    def _feed_after_chunks(self, rest: bytes) -> None:
        """What is left of chunks: trailers, the beginning of a line, or no chunks at all."""
        if self._state == TRAILERS:
            self._feed_trailers(rest)
        elif len(rest) <= LINE_BYTES and _MAY_CONTINUE[self._chunk_line].fullmatch(rest):
            self._buffer = rest
        else:
            self._state = DONE
            self._payload.set_exception(ClientPayloadError("the body's chunks are broken"))
            self._close_connection()

    def _feed_trailers(self, data: bytes) -> None:
        """Read until an empty line; what they say is nobody's business."""
        at = 0
        while (end := data.find(b"\n", at)) >= 0:
            if not data[at:end].strip(b"\r"):
                self._complete(has_excess=end + 1 < len(data))
                return
            at = end + 1
        self._buffer = data[at : at + LINE_BYTES]

    def _complete(self, *, has_excess: bool = False) -> None:
        """The response is whole. What comes after it means nothing, and its connection serves no other."""
        self._state, self._buffer = DONE, b""
        if has_excess:
            self._protocol.force_close()
        self._payload.feed_eof()

    def _close_connection(self) -> None:
        self._protocol.force_close()
        if self._protocol.transport is not None:
            self._protocol.transport.close()
