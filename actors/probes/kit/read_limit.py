"""Limits what a library reads on connections that it opens itself, and closes them when a target sends too much.

One field of one row can be larger than a worker's memory, and so can a message of some other service on the port.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Self, cast

from actors.probes.kit.bounded_body import READ_LIMIT_BYTES
from actors.probes.kit.result import TargetFailed
from app.security.network.tls_limits import apply_limits

CHUNK_BYTES = 16_384  # for a library to parse in one turn: with the smallest messages that takes some milliseconds
MIN_READ_COST_BYTES = 64  # what any read costs at least: a packet takes time, however small
TOO_LONG = f"the answer is longer than {READ_LIMIT_BYTES // 1_000_000} MB"
MessageCheck = Callable[[bytes], str]


class ReadLimit:
    """Bytes read on all connections of one check. As a context manager it raises its reason over a library's error."""

    def __init__(self) -> None:
        self._left, self._reason = READ_LIMIT_BYTES, TOO_LONG

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if self._left < 0 and isinstance(error, Exception):
            raise TargetFailed(self._reason) from error

    def consume(self, n_bytes: int) -> bool:
        """Count the bytes; whether they are still within the limit."""
        self._left -= max(n_bytes, MIN_READ_COST_BYTES)
        return self._left >= 0

    def reject(self, reason: str) -> None:
        """Accept nothing more, for this reason."""
        self._left, self._reason = -1, reason


class ReadLimitedLoop:
    """The running loop, for a library that takes a loop and connects with it: every connection is counted.

    It has no `start_tls`: such a library then makes the encrypted connection with `create_connection` too, from the
    plain one's socket, so that each of its protocols passes through here and is counted.

    make_check    makes a validator for each connection, which gets all data before the library and returns why it is
                  rejected, or nothing
    """

    def __init__(self, limit: ReadLimit, make_check: Callable[[], MessageCheck]) -> None:
        self._loop, self._limit, self._make_check = asyncio.get_running_loop(), limit, make_check

    def __getattr__(self, name: str) -> Any:
        if name == "start_tls":
            raise AttributeError(name)
        return getattr(self._loop, name)

    async def create_connection(
        self, factory: Callable[[], asyncio.Protocol], *args: Any, **options: Any
    ) -> tuple[asyncio.BaseTransport, asyncio.Protocol]:
        """As the loop's own."""
        if context := options.get("ssl"):
            apply_limits(context)
        connection = await self._loop.create_connection(
            lambda: _LimitedProtocol(factory(), self._limit, self._make_check()), *args, **options
        )
        transport, limited = cast("tuple[asyncio.BaseTransport, _LimitedProtocol]", connection)
        return transport, limited.inner


class _LimitedProtocol(asyncio.Protocol):
    """Forwards data until the limit; large reads in chunks, with turns for other tasks between them."""

    def __init__(self, inner: asyncio.Protocol, limit: ReadLimit, check: MessageCheck) -> None:
        self.inner, self._limit, self._check = inner, limit, check
        self._loop, self._pending = asyncio.get_running_loop(), bytearray()
        self._lost: list[Exception | None] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self._limit.consume(len(data)):
            self._abort()
        elif self._pending or len(data) > CHUNK_BYTES:
            self._enqueue(data)
        else:
            self._forward(data)

    def eof_received(self) -> bool | None:
        """Close the transport: the library learns of the end in `connection_lost`."""
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop; pending data is forwarded first."""
        if self._pending:
            self._lost.append(exc)
        else:
            self.inner.connection_lost(exc)

    def _forward(self, chunk: bytes) -> None:
        if reason := self._check(chunk):
            self._limit.reject(reason)
            self._abort()
        else:
            self.inner.data_received(chunk)

    def _abort(self) -> None:
        self._pending.clear()
        self._transport.abort()

    def _enqueue(self, data: bytes) -> None:
        """Stop reading until this data is forwarded."""
        if not self._pending:
            self._transport.pause_reading()
            self._loop.call_soon(self._forward_next)
        self._pending += data

    def _forward_next(self) -> None:
        """Forward one chunk; the rest waits for the next turn."""
        chunk = bytes(self._pending[:CHUNK_BYTES])
        del self._pending[:CHUNK_BYTES]
        try:
            if chunk:  # else it was rejected meanwhile
                self._forward(chunk)
        except Exception:  # as a transport does when its protocol raises
            self._abort()
            raise
        finally:
            self._continue()

    def _continue(self) -> None:
        if self._pending:
            self._loop.call_soon(self._forward_next)
        elif self._lost:
            self.inner.connection_lost(self._lost.pop())
        elif not self._transport.is_closing():
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()
