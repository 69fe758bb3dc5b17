"""What comes in by the door is read in small pieces, with turns for everybody else between them.

A transport hands over up to 256 kB at once, and aiohttp reads all of it before it returns. As a body that is nothing;
as ten thousand interim answers, or a hundred thousand pings, it is a second in which nothing else happens.
"""

import asyncio
from typing import Any, cast

from aiohttp.base_protocol import BaseProtocol
from aiohttp.client_proto import ResponseHandler
from aiohttp.helpers import DEFAULT_CHUNK_SIZE, set_result
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.streams import EMPTY_PAYLOAD

from app.security.network.response_reader import ResponseReader

PIECE_BYTES = 4_096
MAX_RESPONSE_BYTES = 33_554_432  # of an answer: its readers take two megabytes, and headers are bounded by half of this


class FairResponseHandler(ResponseHandler):
    """aiohttp's end of a connection, which takes what is long in pieces."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._unread = bytearray()
        self._lost_errors: list[BaseException | None] = []
        self._is_reading = False
        self._received_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop's call. aiohttp would set TCP_NODELAY here, which asyncio and uvloop have done."""
        self.transport = cast("asyncio.Transport", transport)

    @property
    def should_close(self) -> bool:
        """Whether the connection can't serve another request."""
        return bool(self._unread) or super().should_close

    def data_received(self, data: bytes) -> None:
        """The loop's call, and aiohttp's own: with nothing, to go on, or with the rest of the piece that it reads."""
        if not data or self._is_reading or (len(data) <= PIECE_BYTES and not self._unread):
            super().data_received(data)
            return
        self._received_bytes += len(data)
        if self._received_bytes > MAX_RESPONSE_BYTES:  # framing alone, without end: nobody else would notice
            self._unread.clear()
            if self.transport is not None:
                self.transport.abort()
            return
        if not self._unread:
            self._pause_reading_for_buffer()
            self._loop.call_soon(self._read_piece)
        self._unread += data

    def connection_lost(self, exc: BaseException | None) -> None:
        """The loop's call; what came before the end is read before it."""
        if self._unread:
            self._lost_errors.append(exc)
        else:
            self._finish(exc)

    def set_response_params(
        self,
        *,
        skip_payload: bool = False,
        read_timeout: float | None = None,
        read_bufsize: int = DEFAULT_CHUNK_SIZE,
        **_: Any,
    ) -> None:
        """A new response is waited for, by a reader of ours in the place of aiohttp's parser."""
        self._received_bytes = 0
        self._skip_payload, self._read_timeout, self._read_bufsize = skip_payload, read_timeout, read_bufsize
        self._parser = ResponseReader(self, read_bufsize, without_body=skip_payload)  # type: ignore[assignment]  # has what is called
        self._drain_tail()

    def _drain_tail(self) -> None:
        """Read what was put aside, which came before what is waiting."""
        if self._unread:
            self._unread[:0], self._tail = self._tail, b""
        super()._drain_tail()
        if self._unread:
            self._pause_reading_for_buffer()  # which aiohttp took for a hold of its own, and let go

    def _finish(self, exc: BaseException | None) -> None:
        """The connection is lost; one that ended in a head may have said enough."""
        if self.transport is None and self._waiter is None and self._payload_parser is None:
            self._discard(exc)  # we hung up, as every check does: nobody is left who would want to know
            return
        if exc is None and isinstance(reader := self._parser, ResponseReader):
            try:
                found = reader.truncated_head()
            except BadHttpMessage as error:
                self.set_exception(error)
            else:
                if found:
                    self._payload = None if found[1] is EMPTY_PAYLOAD else found[1]
                    self.feed_data(found, 0)
        super().connection_lost(exc)

    def _discard(self, exc: BaseException | None) -> None:
        """What aiohttp's `connection_lost` leaves behind, without the errors that it makes for those who still wait."""
        self._connection_lost_called = self._should_close = True
        if self._closed is not None:
            set_result(self._closed, None)
        self._parser = None
        BaseProtocol.connection_lost(self, exc)

    def _read_piece(self) -> None:
        """Read one piece; the rest is for the next turn. Nobody waits for what comes after we hung up."""
        piece = bytes(self._unread[:PIECE_BYTES])
        del self._unread[:PIECE_BYTES]
        self._is_reading = True
        try:
            if self.transport is None or self._exception is not None:
                self._unread.clear()
            else:
                super().data_received(piece)
        except Exception:  # as a transport has it when its protocol raises
            self._unread.clear()
            if self.transport is not None:
                self.transport.abort()
            raise
        finally:
            self._is_reading = False
            self._read_on()

    def _read_on(self) -> None:
        if self._unread:
            self._loop.call_soon(self._read_piece)
        elif self._lost_errors:
            self._finish(self._lost_errors.pop())
        elif not self._tail:
            self._resume_reading_for_buffer()
