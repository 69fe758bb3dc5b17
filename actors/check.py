"""The check stage: admits claimed slots to the loop, runs their probes side by side, hands outcomes on as they come.

The actor returns once its slots are admitted, so a thread is never held by a slow target; when the room is full
the actor waits, and that is the back-pressure. A slot is acknowledged by its stored heartbeat, not by the actor.
"""

import asyncio

from redis.exceptions import RedisError

from actors import ad_hoc, worker_metrics
from actors.batching import Batcher
from actors.probes import ProbeContext, run_probe
from actors.snapshots import Snapshots
from actors.urgency import ChangeDetector
from app import queue
from app.domain.parsing import sanitize
from schema.jobs import AdHocProbe, CheckBatch, CheckOutcome, ResultBatch, Slot
from schema.monitors import Snapshot

MAX_WAIT_S = 0.25  # how long an everyday outcome may wait for company; news leaves at once
BATCH_SIZE = 250  # outcomes in one ingest job


class CheckRunner:
    """Where this worker's checks run, `room` at a time."""

    def __init__(self, tools: ProbeContext, snapshots: Snapshots, capacity: int) -> None:
        self._tools, self._snapshots = tools, snapshots
        self._capacity = asyncio.Semaphore(capacity)
        self._running: set[asyncio.Task[None]] = set()
        self._changes = ChangeDetector()
        self._outcomes: Batcher[CheckOutcome] = Batcher(
            _enqueue,
            max_wait_s=MAX_WAIT_S,
            max_size=BATCH_SIZE,
            retry_on=(RedisError, OSError),
            replace=sanitize.unstorable_outcome,
        )

    def start(self) -> None:
        """Begin, on the running loop."""
        self._outcomes.start()

    async def admit(self, batch: CheckBatch) -> None:
        """Start every slot of the batch; waits while there is no room."""
        known = await self._snapshots.for_slots(batch.slots)
        for slot in batch.slots:
            if snapshot := known.get(slot.series):
                await self._capacity.acquire()
                task = asyncio.create_task(self._check(slot, snapshot))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def run_ad_hoc(self, job: AdHocProbe) -> None:
        """Start a probe that is kept nowhere; waits while there is no room."""
        await self._capacity.acquire()
        task = asyncio.create_task(self._run_ad_hoc(job))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run_ad_hoc(self, job: AdHocProbe) -> None:
        try:
            await ad_hoc.run_probe(job, self._tools)
        finally:
            self._capacity.release()

    async def _check(self, slot: Slot, snapshot: Snapshot) -> None:
        try:
            outcome = await run_probe(slot, snapshot, self._tools)
        finally:
            self._capacity.release()
        worker_metrics.count_check(outcome)
        self._outcomes.add(outcome, urgent=self._changes.is_urgent(outcome.status, snapshot) or slot.early)

    def oldest_result_age_s(self) -> float:
        """How long the oldest result has waited that could not be handed on yet."""
        return self._outcomes.oldest_age_s()

    async def close(self, timeout_s: float) -> None:
        """Let running checks end, at most `within_s`, then hand on what they saw."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)
        await self._outcomes.close()


async def _enqueue(outcomes: list[CheckOutcome]) -> None:
    await queue.put(ResultBatch(outcomes))
