"""What comes in by the door is read in small pieces, with turns for everybody else between them.

A transport hands over up to 256 kB at once, and aiohttp reads all of it before it returns. As a body that is nothing;
as ten thousand interim answers, or a hundred thousand pings, it is a second in which nothing else happens.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any

from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import BadHttpMessage

PIECE_BYTES = 4_096
MOST_BYTES = 33_554_432  # of an answer: its readers take two megabytes, and headers are bounded by half of this
INTERIMS = 50  # heads before the answer that announce another one; real servers send one or two


class Intake(ResponseHandler):
    """aiohttp's end of a connection, which takes what is long in pieces, and interim answers up to a number."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._waiting = bytearray()
        self._lost: list[BaseException | None] = []
        self._heads = 0
        self._taking = False
        self._came = 0

    @property
    def should_close(self) -> bool:
        """Whether the connection can't serve another request."""
        return bool(self._waiting) or super().should_close

    def data_received(self, data: bytes) -> None:
        """The loop's call, and aiohttp's own: with nothing, to go on, or with the rest of the piece that it reads."""
        if not data or self._taking or (len(data) <= PIECE_BYTES and not self._waiting):
            super().data_received(data)
            return
        self._came += len(data)
        if self._came > MOST_BYTES:  # framing alone, without end: nobody else would notice
            self._waiting.clear()
            if self.transport is not None:
                self.transport.abort()
            return
        if not self._waiting:
            self._pause_reading_for_buffer()
            self._loop.call_soon(self._take)
        self._waiting += data

    def connection_lost(self, exc: BaseException | None) -> None:
        """The loop's call; what came before the end is read before it."""
        if self._waiting:
            self._lost.append(exc)
        else:
            super().connection_lost(exc)

    def set_response_params(self, **options: Any) -> None:
        """A new answer is waited for."""
        self._heads = self._came = 0
        super().set_response_params(**options)

    def _drain_tail(self) -> None:
        """Read what was put aside, which came before what is waiting."""
        if self._waiting:
            self._waiting[:0], self._tail = self._tail, b""
        super()._drain_tail()
        if self._waiting:
            self._pause_reading_for_buffer()  # which aiohttp took for a hold of its own, and let go

    def read(self) -> Awaitable[Any]:  # type: ignore[override]  # of a coroutine: one object less for each check
        """The next head. Raises BadHttpMessage after so many that only announced another one."""
        self._heads += 1
        if self._heads > INTERIMS + 1:
            raise BadHttpMessage("Too many interim answers")
        return super().read()

    def _take(self) -> None:
        """Read one piece; the rest is for the next turn. Nobody waits for what comes after we hung up."""
        piece = bytes(self._waiting[:PIECE_BYTES])
        del self._waiting[:PIECE_BYTES]
        self._taking = True
        try:
            if self.transport is None or self._exception is not None:
                self._waiting.clear()
            else:
                super().data_received(piece)
        except Exception:  # as a transport has it when its protocol raises
            self._waiting.clear()
            if self.transport is not None:
                self.transport.abort()
            raise
        finally:
            self._taking = False
            self._go_on()

    def _go_on(self) -> None:
        if self._waiting:
            self._loop.call_soon(self._take)
        elif self._lost:
            super().connection_lost(self._lost.pop())
        elif not self._tail:
            self._resume_reading_for_buffer()
