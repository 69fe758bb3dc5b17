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

HURRY_S = 0.005  # lets what fails together leave together
PACE_S = 0.04  # between hurried groups: the first leaves at once, and what follows on its heels leaves together
CLOSE_S = 15.0  # how long the end may wait for a sink that is away
KEPT = 100_000  # items held while the sink is away; beyond that the oldest go, counted
RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)  # between tries while the sink is away


class Flusher(Generic[T]):
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
        every_s: float,
        most: int,
        pace_s: float = PACE_S,
        patient_with: tuple[type[Exception], ...],
        replace: Callable[[T, Exception], T | None] = lambda _item, _error: None,
    ) -> None:
        self._sink, self._every_s, self._most, self._patient_with = sink, every_s, most, patient_with
        self._replace = replace
        self._items: list[T] = []
        self._handing: tuple[int, float] = (0, 0.0)  # how many are being handed on, and since when
        self._added_at = 0.0  # when the oldest of the items came
        self._any, self._hurry, self._closing = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._pace_s, self._hurried_at = pace_s, -pace_s
        self._task: asyncio.Task[None] | None = None
        self.kept, self.dropped = KEPT, 0

    def start(self) -> None:
        """Begin to flush, on the running loop."""
        self._task = tasks.lasting(self._run(), "flusher")

    def add(self, item: T, *, at_once: bool = False) -> None:
        """Leave an item; `at_once` takes everything that waits along."""
        if len(self._items) >= self.kept:
            del self._items[0]
            self.dropped += 1
        if not self._items:
            self._added_at = monotonic()
        self._items.append(item)
        self._any.set()
        if at_once or len(self._items) >= self._most:
            self._hurry.set()

    def oldest_s(self) -> float:
        """How long the oldest item that was not handed on has waited; 0 when there is none."""
        since = [self._handing[1]] if self._handing[0] else [self._added_at] if self._items else []
        return max((monotonic() - at for at in since), default=0.0)

    async def close(self, within_s: float = CLOSE_S) -> None:
        """Flush what is left, at most `within_s`, then end. A task that has failed is not waited for."""
        self._closing.set()
        self._any.set()
        self._hurry.set()
        if self._task is None:
            return
        tasks.expect_end(self._task)
        _, late = await asyncio.wait({self._task}, timeout=within_s)
        if late or self._items:
            log.error("flush.given_up", n=len(self._items) + self._handing[0])
        await tasks.end(self._task)

    async def _run(self) -> None:
        while not (self._closing.is_set() and not self._items):
            await self._any.wait()
            await self._company()
            group, self._items = self._items[: self._most], self._items[self._most :]
            if not self._items:
                self._any.clear()
                self._hurry.clear()
            if group:
                self._handing = (len(group), self._added_at)
                self._added_at = monotonic()
                await self._hand_on_whole(group)
                self._handing = (0, 0.0)

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

    async def _hand_on_whole(self, group: list[T]) -> None:
        """Hand on a group; one that is refused for what is in it goes in halves, so that the rest of it arrives."""
        parts = deque([group])
        while parts:
            part = parts.popleft()
            try:
                await self._hand_on(part)
            except Exception as error:  # noqa: BLE001  # whatever is wrong with one item: it is found, and said
                if len(part) > 1:
                    parts.extendleft((part[len(part) // 2 :], part[: len(part) // 2]))
                else:
                    await self._hand_on_instead(part[0], error)

    async def _hand_on_instead(self, item: T, error: Exception) -> None:
        """Hand on what stands for an item that can't be, if anything does."""
        log.error("flush.refused", exc_info=error)
        try:
            if (instead := self._replace(item, error)) is not None:
                return await self._hand_on([instead])
        except Exception:
            log.exception("flush.dropped")
        self.dropped += 1
        return None

    async def _hand_on(self, group: list[T]) -> None:
        """Hand on, and wait for a sink that is away. Raises whatever else the sink does."""
        for attempt in count():
            try:
                return await self._sink(group)
            except self._patient_with as error:
                log.warning("flush.delayed", n=len(group), attempt=attempt, error=type(error).__name__)
                await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
        return None
