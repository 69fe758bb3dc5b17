"""Gathers what trickles in and hands it on in groups: at once when it matters, else after a short while.

A group that can't be handed on for what is in it is split until the item that keeps it is alone, and that one is
replaced or dropped. So no item keeps others from arriving, and none ends the task that hands them on.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from time import monotonic
from typing import Generic, TypeVar

import structlog

from app import tasks

T = TypeVar("T")
log = structlog.get_logger()

URGENT_WINDOW_S = 0.005  # lets what fails together leave together
URGENT_SPACING_S = (
    0.04  # between hurried groups: the first leaves at once, and what follows on its heels leaves together
)
CLOSE_TIMEOUT_S = 15.0  # how long the end may wait for a sink that is away
MAX_PENDING = 100_000  # items held while the sink is away; beyond that the oldest go, counted
RETRY_DELAYS_S = (0.1, 0.2, 0.5, 1.0, 2.0)  # between tries while the sink is away


class Batcher(Generic[T]):
    """Time-boxed groups for a sink that may be away for a while; nothing is dropped before `KEPT` items wait.

    every_s  how long an item may wait for company
    most     items in one group
    replace  what goes in the place of an item that can't be handed on; None drops it, counted
    pace_s   between groups that hurry. Each costs its sink a transaction and its readers a message, so hundreds of
             failures a second, one by one, would take a core that the checks need
    """

    def __init__(
        self,
        sink: Callable[[list[T]], Awaitable[None]],
        *,
        max_wait_s: float,
        max_size: int,
        urgent_spacing_s: float = URGENT_SPACING_S,
        retry_on: tuple[type[Exception], ...],
        replace: Callable[[T, Exception], T | None] = lambda _item, _error: None,
    ) -> None:
        self._sink, self._max_wait_s, self._max_size, self._retry_on = sink, max_wait_s, max_size, retry_on
        self._replace = replace
        self._items: list[T] = []
        self._in_flight: tuple[int, float] = (0, 0.0)  # how many are being handed on, and since when
        self._oldest_at = 0.0  # when the oldest of the items came
        self._has_items, self._urgent, self._closing = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._urgent_spacing_s, self._urgent_at = urgent_spacing_s, -urgent_spacing_s
        self._task: asyncio.Task[None] | None = None
        self.max_pending, self.dropped = MAX_PENDING, 0

    def start(self) -> None:
        """Begin to flush, on the running loop."""
        self._task = tasks.start_permanent(self._run(), "flusher")

    def add(self, item: T, *, urgent: bool = False) -> None:
        """Leave an item; `at_once` takes everything that waits along."""
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
        """How long the oldest item that was not handed on has waited; 0 when there is none."""
        since = [self._in_flight[1]] if self._in_flight[0] else [self._oldest_at] if self._items else []
        return max((monotonic() - at for at in since), default=0.0)

    async def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Flush what is left, at most `within_s`, then end. A task that has failed is not waited for."""
        self._closing.set()
        self._has_items.set()
        self._urgent.set()
        if self._task is None:
            return
        tasks.expect_end(self._task)
        _, late = await asyncio.wait({self._task}, timeout=timeout_s)
        if late or self._items:
            log.error("flush.given_up", n=len(self._items) + self._in_flight[0])
        await tasks.cancel(self._task)

    async def _run(self) -> None:
        while not (self._closing.is_set() and not self._items):
            await self._has_items.wait()
            await self._wait_for_more()
            group, self._items = self._items[: self._max_size], self._items[self._max_size :]
            if not self._items:
                self._has_items.clear()
                self._urgent.clear()
            if group:
                self._in_flight = (len(group), self._oldest_at)
                self._oldest_at = monotonic()
                await self._flush_splitting(group)
                self._in_flight = (0, 0.0)

    async def _wait_for_more(self) -> None:
        """Wait for more, unless it matters; what matters waits for its like when some of it has just left."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._max_wait_s):
                await self._urgent.wait()
        if not self._urgent.is_set() or len(self._items) >= self._max_size:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(max(URGENT_WINDOW_S, self._urgent_at + self._urgent_spacing_s - monotonic())):
                await self._closing.wait()
        self._urgent_at = monotonic()

    async def _flush_splitting(self, group: list[T]) -> None:
        """Hand on a group; one that is refused for what is in it goes in halves, so that the rest of it arrives."""
        parts = deque([group])
        while parts:
            part = parts.popleft()
            try:
                await self._flush(part)
            except Exception as error:  # noqa: BLE001  # whatever is wrong with one item: it is found, and said
                if len(part) > 1:
                    parts.extendleft((part[len(part) // 2 :], part[: len(part) // 2]))
                else:
                    await self._flush_replacement(part[0], error)

    async def _flush_replacement(self, item: T, error: Exception) -> None:
        """Hand on what stands for an item that can't be, if anything does."""
        log.error("flush.refused", exc_info=error)
        try:
            if (instead := self._replace(item, error)) is not None:
                return await self._flush([instead])
        except Exception:
            log.exception("flush.dropped")
        self.dropped += 1
        return None

    async def _flush(self, group: list[T]) -> None:
        """Hand on, and wait for a sink that is away. Raises whatever else the sink does."""
        for attempt in count():
            try:
                return await self._sink(group)
            except self._retry_on as error:
                log.warning("flush.delayed", n=len(group), attempt=attempt, error=type(error).__name__)
                await asyncio.sleep(RETRY_DELAYS_S[min(attempt, len(RETRY_DELAYS_S) - 1)])
        return None
