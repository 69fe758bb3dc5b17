"""Reads HTTP responses in small pieces, so that other tasks get their turn between them.

A transport delivers up to 256 kB at once, and aiohttp parses all of it before it returns. For a body that is cheap; ten
thousand interim responses, or a hundred thousand pings, would block the loop for a second.
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
MAX_RESPONSE_BYTES = 33_554_432  # of one response: readers take 2 MB, and headers are limited to half of this


class FairResponseHandler(ResponseHandler):
    """aiohttp's protocol of a connection, which reads long input in pieces."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._unread = bytearray()
        self._lost_errors: list[BaseException | None] = []
        self._is_reading = False
        self._received_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop. aiohttp would set TCP_NODELAY here, which asyncio and uvloop have done already."""
        self.transport = cast("asyncio.Transport", transport)

    @property
    def should_close(self) -> bool:
        """Whether the connection can't serve another request."""
        return bool(self._unread) or super().should_close

    def data_received(self, data: bytes) -> None:
        """Called by the loop, and by aiohttp: without data to continue, or with the rest of the current piece."""
        if not data or self._is_reading or (len(data) <= PIECE_BYTES and not self._unread):
            super().data_received(data)
            return
        self._received_bytes += len(data)
        if self._received_bytes > MAX_RESPONSE_BYTES:  # endless framing, which no other limit notices
            self._unread.clear()
            if self.transport is not None:
                self.transport.abort()
            return
        if not self._unread:
            self._pause_reading_for_buffer()
            self._loop.call_soon(self._read_piece)
        self._unread += data

    def connection_lost(self, exc: BaseException | None) -> None:
        """Called by the loop; data that came before the end is read first."""
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
        """Prepare for a new response, with our reader in place of aiohttp's parser."""
        self._received_bytes = 0
        self._skip_payload, self._read_timeout, self._read_bufsize = skip_payload, read_timeout, read_bufsize
        self._parser = ResponseReader(self, read_bufsize, without_body=skip_payload)  # type: ignore[assignment]  # has the methods that are called
        self._drain_tail()

    def _drain_tail(self) -> None:
        """Read what aiohttp put aside, which came before the unread data."""
        if self._unread:
            self._unread[:0], self._tail = self._tail, b""
        super()._drain_tail()
        if self._unread:
            self._pause_reading_for_buffer()  # aiohttp took the pause for its own and resumed

    def _finish(self, exc: BaseException | None) -> None:
        """End the response. A connection lost inside a head may have sent enough of it."""
        if self.transport is None and self._waiter is None and self._payload_parser is None:
            self._discard(exc)  # we closed it, as every check does: no task waits for the end
            return
        if exc is None and isinstance(reader := self._parser, ResponseReader):
            try:
                response = reader.truncated_head()
            except BadHttpMessage as error:
                self.set_exception(error)
            else:
                if response:
                    self._payload = None if response[1] is EMPTY_PAYLOAD else response[1]
                    self.feed_data(response, 0)
        super().connection_lost(exc)

    def _discard(self, exc: BaseException | None) -> None:
        """Set the state that aiohttp's `connection_lost` would, without the errors it creates for waiting tasks."""
        self._connection_lost_called = self._should_close = True
        if self._closed is not None:
            set_result(self._closed, None)
        self._parser = None
        BaseProtocol.connection_lost(self, exc)

    def _read_piece(self) -> None:
        """Read one piece and leave the rest for the next turn. After we closed the connection, drop it."""
        piece = bytes(self._unread[:PIECE_BYTES])
        del self._unread[:PIECE_BYTES]
        self._is_reading = True
        try:
            if self.transport is None or self._exception is not None:
                self._unread.clear()
            else:
                super().data_received(piece)
        except Exception:  # as a transport does when its protocol raises
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
