"""Batches single items for a sink: urgent items leave at once, all others after a short wait.

When the sink rejects a batch, the batch is split until the bad item is alone; that item is replaced or dropped. So one
bad item neither blocks the others nor ends the flush task.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from math import inf
from time import monotonic
from typing import Generic, TypeVar

import structlog

from app import tasks

T = TypeVar("T")
log = structlog.get_logger()

URGENT_SPACING_S = 0.04  # between urgent batches: the first leaves at once, those right after it are batched
CLOSE_TIMEOUT_S = 15.0  # how long `close` waits for an unavailable sink
MAX_PENDING = 100_000  # items held while the sink is unavailable; beyond that the oldest are dropped and counted
RETRY_DELAYS_S = (0.1, 0.2, 0.5, 1.0, 2.0)  # between attempts while the sink is unavailable


class Batcher(Generic[T]):
    """Batches items by time and size. While the sink is unavailable, up to `MAX_PENDING` items are held.

    max_wait_s        how long an item may wait for a batch to fill
    max_size          items in one batch
    retry_on          the sink's errors that mean "unavailable": the batch is retried until it is accepted
    replace           returns a substitute for an item that the sink rejects; None drops the item, counted
    urgent_spacing_s  between urgent batches. Each costs the sink a transaction and its readers a message, so hundreds
                      of failures a second, one by one, would use a core that the checks need
    """

    def __init__(
        self,
        sink: Callable[[list[T]], Awaitable[None]],
        *,
        max_wait_s: float,
        max_size: int,
        urgent_spacing_s: Callable[[], float] = lambda: URGENT_SPACING_S,
        retry_on: tuple[type[Exception], ...],
        replace: Callable[[T, Exception], T | None] = lambda _item, _error: None,
    ) -> None:
        self._sink, self._max_wait_s, self._max_size, self._retry_on = sink, max_wait_s, max_size, retry_on
        self._replace = replace
        self._items: list[T] = []
        self._in_flight: tuple[int, float] = (0, 0.0)  # items in the sink, and when the oldest was added
        self._oldest_at = 0.0  # when the oldest pending item was added
        self._has_items, self._urgent, self._closing = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._urgent_spacing_s, self._urgent_at = urgent_spacing_s, -inf
        self._task: asyncio.Task[None] | None = None
        self.max_pending, self.dropped = MAX_PENDING, 0

    def start(self) -> None:
        """Start the flush task on the running loop."""
        self._task = tasks.start_permanent(self._run(), "flusher")

    def add(self, item: T, *, urgent: bool = False) -> None:
        """Add an item. `urgent` flushes it at once, together with everything pending."""
        if len(self._items) >= self.max_pending:
            del self._items[0]
            self.dropped += 1
        if not self._items:
            self._oldest_at = monotonic()
        self._items.append(item)
        self._has_items.set()
        if urgent or len(self._items) >= self._max_size:
            self._urgent.set()

    def oldest_age_s(self) -> float:
        """Age of the oldest item that the sink has not accepted yet; 0 when there is none."""
        added_at = [self._in_flight[1]] if self._in_flight[0] else [self._oldest_at] if self._items else []
        return max((monotonic() - at for at in added_at), default=0.0)

    async def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Flush the rest within `timeout_s`, then stop. Does not wait for a task that has failed."""
        self._closing.set()
        self._has_items.set()
        self._urgent.set()
        if self._task is None:
            return
        tasks.expect_end(self._task)
        _, unfinished = await asyncio.wait({self._task}, timeout=timeout_s)
        if unfinished or self._items:
            log.error("worker.flush_abandoned", n=len(self._items) + self._in_flight[0])
        await tasks.cancel(self._task)

    async def _run(self) -> None:
        while not (self._closing.is_set() and not self._items):
            await self._has_items.wait()
            await self._wait_for_more()
            batch, self._items = self._items[: self._max_size], self._items[self._max_size :]
            if not self._items:
                self._has_items.clear()
                self._urgent.clear()
            if batch:
                self._in_flight = (len(batch), self._oldest_at)
                self._oldest_at = monotonic()
                await self._flush_splitting(batch)
                self._in_flight = (0, 0.0)

    async def _wait_for_more(self) -> None:
        """Wait for more items; skip the wait when one is urgent and no urgent batch has just left."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._max_wait_s):
                await self._urgent.wait()
        if not self._urgent.is_set() or len(self._items) >= self._max_size:
            return
        with suppress(TimeoutError):
            rest_s = self._urgent_at + self._urgent_spacing_s() - monotonic()
            async with asyncio.timeout(max(0.0, rest_s)):
                await self._closing.wait()
        self._urgent_at = monotonic()

    async def _flush_splitting(self, batch: list[T]) -> None:
        """Flush a batch. A rejected one is halved until the bad item is alone, so that the rest arrives."""
        parts = deque([batch])
        while parts:
            part = parts.popleft()
            try:
                await self._flush(part)
            except Exception as error:  # noqa: BLE001  # any error in one item is isolated and logged
                if len(part) > 1:
                    parts.extendleft((part[len(part) // 2 :], part[: len(part) // 2]))
                else:
                    await self._flush_replacement(part[0], error)

    async def _flush_replacement(self, item: T, error: Exception) -> None:
        """Flush the substitute of a rejected item, if there is one."""
        log.error("worker.item_rejected", exc_info=error)
        try:
            if (replacement := self._replace(item, error)) is not None:
                return await self._flush([replacement])
        except Exception:
            log.exception("worker.item_dropped")
        self.dropped += 1
        return None

    async def _flush(self, batch: list[T]) -> None:
        """Pass a batch to the sink, retrying while the sink is unavailable. Raises the sink's other errors."""
        for attempt in count():
            try:
                return await self._sink(batch)
            except self._retry_on as error:
                log.warning("worker.flush_retry", n=len(batch), attempt=attempt, error=type(error).__name__)
                await asyncio.sleep(RETRY_DELAYS_S[min(attempt, len(RETRY_DELAYS_S) - 1)])
        return None
