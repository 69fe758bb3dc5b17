"""Gathers what trickles in and hands it on in groups: at once when it matters, else after a short while."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Generic, TypeVar

import structlog

T = TypeVar("T")
log = structlog.get_logger()

HURRY_S = 0.005  # lets what fails together leave together
PACE_S = 0.04  # between hurried groups: the first leaves at once, and what follows on its heels leaves together
RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)  # between tries while the sink is away


class Flusher(Generic[T]):
    """Time-boxed groups for a sink that may be away for a while; nothing is dropped before `kept` items wait.

    every_s  how long an item may wait for company
    most     items in one group
    kept     items held while the sink is away; beyond that the oldest go, counted
    pace_s   between groups that hurry. Each costs its sink a transaction and its readers a message, so hundreds of
             failures a second, one by one, would take a core that the checks need
    """

    def __init__(
        self,
        sink: Callable[[list[T]], Awaitable[None]],
        *,
        every_s: float,
        most: int,
        kept: int = 100_000,
        pace_s: float = PACE_S,
        patient_with: tuple[type[Exception], ...],
    ) -> None:
        self._sink, self._every_s, self._most, self._kept, self._patient_with = sink, every_s, most, kept, patient_with
        self._items: list[T] = []
        self._any, self._hurry, self._closing = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._pace_s, self._hurried_at = pace_s, -pace_s
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0

    def start(self) -> None:
        """Begin to flush, on the running loop."""
        self._task = asyncio.create_task(self._run(), name="flusher")

    def add(self, item: T, *, at_once: bool = False) -> None:
        """Leave an item; `at_once` takes everything that waits along."""
        if len(self._items) >= self._kept:
            del self._items[0]
            self.dropped += 1
        self._items.append(item)
        self._any.set()
        if at_once or len(self._items) >= self._most:
            self._hurry.set()

    async def close(self) -> None:
        """Flush what is left, then end."""
        self._closing.set()
        self._any.set()
        self._hurry.set()
        if self._task:
            await self._task

    async def _run(self) -> None:
        while not (self._closing.is_set() and not self._items):
            await self._any.wait()
            await self._company()
            group, self._items = self._items[: self._most], self._items[self._most :]
            if not self._items:
                self._any.clear()
                self._hurry.clear()
            if group:
                await self._hand_on(group)
            if self._closing.is_set() and not self._items:
                return

    async def _company(self) -> None:
        """Wait for more, unless it matters; what matters waits for its like when some of it has just left."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._every_s):
                await self._hurry.wait()
        if not self._hurry.is_set() or len(self._items) >= self._most:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(max(HURRY_S, self._hurried_at + self._pace_s - monotonic())):
                await self._closing.wait()
        self._hurried_at = monotonic()

    async def _hand_on(self, group: list[T]) -> None:
        for attempt in range(1_000_000):
            try:
                return await self._sink(group)
            except self._patient_with as error:
                log.warning("flush.delayed", n=len(group), attempt=attempt, error=type(error).__name__)
                await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
        return None
