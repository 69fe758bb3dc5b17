"""The check stage: admits claimed slots to the loop, runs their probes side by side, hands outcomes on as they come.

The actor returns once its slots are admitted, so a thread is never held by a slow target; when the room is full
the actor waits, and that is the back-pressure. A slot is acknowledged by its stored heartbeat, not by the actor.
"""

import asyncio

from redis.exceptions import RedisError

from actors import ad_hoc, worker_metrics
from actors.batching import Flusher
from actors.probes import Tools, outcome_of
from actors.snapshots import Snapshots
from actors.urgency import News
from app import queue
from app.domain.parsing import sanitize
from schema.jobs import AdHocProbe, CheckBatch, Outcome, ResultBatch, Slot
from schema.monitors import Snapshot

FLUSH_S = 0.25  # how long an everyday outcome may wait for company; news leaves at once
GROUP = 250  # outcomes in one ingest job


class Floor:
    """Where this worker's checks run, `room` at a time."""

    def __init__(self, tools: Tools, snapshots: Snapshots, room: int) -> None:
        self._tools, self._snapshots = tools, snapshots
        self._room = asyncio.Semaphore(room)
        self._running: set[asyncio.Task[None]] = set()
        self._news = News()
        self._outcomes: Flusher[Outcome] = Flusher(
            _hand_on, every_s=FLUSH_S, most=GROUP, patient_with=(RedisError, OSError), replace=sanitize.stand_in
        )

    def open(self) -> None:
        """Begin, on the running loop."""
        self._outcomes.start()

    async def admit(self, batch: CheckBatch) -> None:
        """Start every slot of the batch; waits while there is no room."""
        known = await self._snapshots.of_slots(batch.slots)
        for slot in batch.slots:
            if snapshot := known.get(slot.series):
                await self._room.acquire()
                task = asyncio.create_task(self._check(slot, snapshot))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def try_once(self, job: AdHocProbe) -> None:
        """Start a probe that is kept nowhere; waits while there is no room."""
        await self._room.acquire()
        task = asyncio.create_task(self._try(job))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _try(self, job: AdHocProbe) -> None:
        try:
            await ad_hoc.answer(job, self._tools)
        finally:
            self._room.release()

    async def _check(self, slot: Slot, snapshot: Snapshot) -> None:
        try:
            outcome = await outcome_of(slot, snapshot, self._tools)
        finally:
            self._room.release()
        worker_metrics.checked(outcome)
        self._outcomes.add(outcome, at_once=self._news.is_news(outcome.seen, snapshot) or slot.early)

    def oldest_result_s(self) -> float:
        """How long the oldest result has waited that could not be handed on yet."""
        return self._outcomes.oldest_s()

    async def close(self, within_s: float) -> None:
        """Let running checks end, at most `within_s`, then hand on what they saw."""
        if self._running:
            await asyncio.wait(self._running, timeout=within_s)
        await self._outcomes.close()


async def _hand_on(outcomes: list[Outcome]) -> None:
    await queue.put(ResultBatch(outcomes))
