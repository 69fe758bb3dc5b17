"""Reads one HTTP response from the bytes of a connection, in place of aiohttp's parser.

aiohttp's parser rejects what curl and browsers accept: redundant framing, bytes after the end, a body after a HEAD
request. A check sends one request and closes, so none of this can corrupt a next response, and a connection with any of
it serves no other request. Bodies are not decompressed here.
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

HEAD_BYTES = 307_200  # of all heads of a response, as in curl
LINE_BYTES = 16_384  # of a chunk's header line
MAX_INTERIMS = 50  # 1xx heads before the response; real servers send one or two
SWITCHING = 101
WITHOUT_BODY = frozenset({SWITCHING, 204, 304})
HEAD, LENGTH, CHUNKS, TRAILERS, CLOSE, DONE = range(6)  # the part that the next bytes belong to

ParsedResponse = tuple[RawResponseMessage, StreamReader]
# as aiohttp's protocol expects it: responses, whether the connection is upgraded, the bytes after the upgrade
FeedResult = tuple[tuple[ParsedResponse, ...], bool, bytes]
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
    """The reader of one response, with the methods that aiohttp's protocol calls.

    without_body    the request was a HEAD
    limit           bytes of the body to buffer before reading pauses
    """

    _state = HEAD
    _payload: StreamReader = EMPTY_PAYLOAD
    _buffer = b""  # an incomplete head or line
    _remaining = 0  # bytes left of the body or the chunk
    _chunk_line = _CHUNK  # pattern of the next chunk's header line
    _interims = _head_bytes = 0

    def __init__(self, protocol: ResponseHandler, limit: int, *, without_body: bool) -> None:
        self._protocol, self._limit, self._without_body = protocol, limit, without_body

    def feed_data(self, data: bytes) -> FeedResult:
        """Read received data. Raises BadHttpMessage for an invalid head; an error in the body is set on its stream."""
        if self._state == HEAD:
            return self._feed_head(data)
        if data:
            self._feed_body(data)
        return NO_RESULT

    def feed_eof(self) -> None:
        """The connection has ended. Raises if the body is incomplete."""
        if self._state == LENGTH:
            raise ContentLengthError(f"{self._remaining} bytes of the body are missing")
        if self._state == CHUNKS:
            raise TransferEncodingError("the last chunk is missing")
        if self._state != HEAD:
            self._complete()

    def pause_reading(self) -> None:
        """Called by the protocol. Its transport pauses; the data read already is at most one piece."""

    def truncated_head(self) -> ParsedResponse | None:
        """The response of a connection that ended inside its head, if the status line is complete (as in curl)."""
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
        match = _END.search(data, max(0, before - 10))
        end = match.end() if match else len(data)
        self._head_bytes += end - before
        if self._head_bytes > HEAD_BYTES:
            raise BadHttpMessage("its head is too long")
        if match is None:
            return self._buffer_head(data)
        self._buffer = b""
        head = read_head(data[: match.start()])
        if head.status < 200 and self._is_interim(head):  # noqa: PLR2004  # interim responses are 1xx
            return self._feed_head(data[end:])
        response = self._begin_response(head)
        if head.status == SWITCHING:
            return (response,), True, data[end:]
        if end < len(data):
            self._feed_body(data[end:])
        return (response,), False, b""

    def _buffer_head(self, data: bytes) -> FeedResult:
        if not may_be_head(data):
            raise not_http_error(data)
        self._buffer = data
        return NO_RESULT

    def _is_interim(self, head: ResponseHead) -> bool:
        """Whether another head follows. Raises BadHttpMessage after too many of them."""
        if head.status >= 200 or head.status == SWITCHING:  # noqa: PLR2004  # interim responses are 1xx
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
            self._payload = StreamReader(self._protocol, self._limit, loop=self._protocol._loop)  # noqa: SLF001  # the stream needs it
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
        """Read all complete chunks and the received part of the last one, and pass them on as one piece."""
        pieces: list[bytes] = []
        position, left, chunk_line = 0, self._remaining, self._chunk_line
        while True:
            if left:
                pieces.append(data[position : position + left])
                position += len(pieces[-1])
                left -= len(pieces[-1])
            line = None if left else chunk_line.match(data, position)
            if line is None:
                break
            position, left, chunk_line = line.end(), int(line[1], 16), _NEXT_CHUNK
            if not left:
                self._state = TRAILERS
                break
        self._remaining, self._chunk_line = left, chunk_line
        self._payload.feed_data(b"".join(pieces))
        self._feed_after_chunks(data[position:])

    def _feed_after_chunks(self, rest: bytes) -> None:
        """Read what follows the chunks: trailers, the beginning of a header line, or an error."""
        if self._state == TRAILERS:
            self._feed_trailers(rest)
        elif len(rest) <= LINE_BYTES and _MAY_CONTINUE[self._chunk_line].fullmatch(rest):
            self._buffer = rest
        else:
            self._state = DONE
            self._payload.set_exception(ClientPayloadError("the body's chunks are broken"))
            self._close_connection()

    def _feed_trailers(self, data: bytes) -> None:
        """Read and ignore trailers up to the empty line."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            if not data[start:end].strip(b"\r"):
                self._complete(has_excess=end + 1 < len(data))
                return
            start = end + 1
        self._buffer = data[start : start + LINE_BYTES]

    def _complete(self, *, has_excess: bool = False) -> None:
        """End the response. Excess bytes after it are ignored, and the connection serves no other request."""
        self._state, self._buffer = DONE, b""
        if has_excess:
            self._protocol.force_close()
        self._payload.feed_eof()

    def _close_connection(self) -> None:
        self._protocol.force_close()
        if self._protocol.transport is not None:
            self._protocol.transport.close()
