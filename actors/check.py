"""The check stage: runs the probes of claimed slots concurrently and enqueues their outcomes for ingest.

The actor returns once its slots are admitted, so a slow target never holds a thread; at full capacity the actor waits,
which is the back-pressure. A slot is acknowledged by its stored heartbeat, not by the actor.
"""

import asyncio

from redis.exceptions import RedisError

from actors import ad_hoc, worker_metrics
from actors.alert_lag import AlertLag
from actors.batching import URGENT_SPACING_S, Batcher
from actors.probes import ProbeContext, run_probe
from actors.snapshots import Snapshots
from actors.thread_turns import ThreadTurns
from app import queue
from app.domain.parsing import sanitize
from schema.jobs import AdHocProbe, CheckBatch, CheckOutcome, ResultBatch, Slot
from schema.monitors import Snapshot
from schema.status import Status

MAX_WAIT_S = 0.25  # how long an unchanged outcome may wait for a batch; urgent ones leave at once
MIN_DELAY_S = 0.001  # a shorter delay of a start is added to the next one's: timers are no finer
BATCH_SIZE = 250  # outcomes in one ingest job
MAX_SERIES = 100_000  # that are not up; beyond it all are forgotten and count as urgent again


class ChangeDetector:
    """Which outcomes are urgent: those that may cause an alert. All others wait for a batch.

    Holds the last status of each series that is not up, and how often in a row this worker saw it.
    Only a hint: other workers check the same series, and a wrong guess costs a quarter of a second. A monitor that
    stays down is not urgent: thousands of them should be stored in batches.
    """

    def __init__(self) -> None:
        self._runs: dict[int, tuple[Status, int]] = {}

    def is_urgent(self, status: Status, snapshot: Snapshot) -> bool:
        """Note a status; returns whether it changed or may use up the monitor's retries."""
        before, times = self._runs.get(snapshot.series, (Status.UP, 0))
        times = times + 1 if status is before else 1
        if status is Status.UP:
            self._runs.pop(snapshot.series, None)
            return before is not Status.UP
        if len(self._runs) >= MAX_SERIES:
            self._runs.clear()
        self._runs[snapshot.series] = (status, times)
        return times <= snapshot.max_retries + 1


class CheckRunner:
    """Runs this worker's checks, at most `capacity` at a time."""

    def __init__(
        self,
        context: ProbeContext,
        snapshots: Snapshots,
        capacity: int,
        lag: AlertLag | None = None,
        turns: ThreadTurns | None = None,
    ) -> None:
        self._context, self._snapshots, self._lag = context, snapshots, lag or AlertLag()
        self._thread_turns = turns
        self._capacity = asyncio.Semaphore(capacity)
        self._running: set[asyncio.Task[None]] = set()
        self._changes = ChangeDetector()
        self._outcomes: Batcher[CheckOutcome] = Batcher(
            _enqueue,
            max_wait_s=MAX_WAIT_S,
            max_size=BATCH_SIZE,
            urgent_spacing_s=lambda: max(URGENT_SPACING_S, self._lag.collect_s()),
            retry_on=(RedisError, OSError),
            replace=sanitize.unstorable_outcome,
        )

    def start(self) -> None:
        """Start flushing outcomes, on the running loop."""
        self._outcomes.start()

    async def admit(self, batch: CheckBatch) -> None:
        """Start a check for every slot of the batch; waits while all capacity is in use."""
        snapshots = await self._snapshots.for_series({slot.series: slot.version for slot in batch.slots})
        for slot in batch.slots:
            if snapshot := snapshots.get(slot.series):
                if (delay_s := self._lag.start_delay_s()) >= MIN_DELAY_S:
                    await asyncio.sleep(delay_s)
                await self._capacity.acquire()
                task = asyncio.create_task(self._check(slot, snapshot))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def run_ad_hoc(self, job: AdHocProbe) -> None:
        """Start a probe whose result is not stored; waits while all capacity is in use."""
        await self._capacity.acquire()
        task = asyncio.create_task(self._run_ad_hoc(job))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run_ad_hoc(self, job: AdHocProbe) -> None:
        try:
            await ad_hoc.run(job, self._context)
        finally:
            self._capacity.release()

    async def _check(self, slot: Slot, snapshot: Snapshot) -> None:
        try:
            outcome = await run_probe(slot, snapshot, self._context)
        finally:
            self._capacity.release()
        worker_metrics.CHECKS_BY_STATUS[outcome.status].inc()
        worker_metrics.CHECK_LATENESS.observe(max(0, outcome.began_ms - outcome.at_ms) / 1000)
        worker_metrics.CHECK_DURATION.observe(outcome.took_us / 1_000_000)
        urgent = self._changes.is_urgent(outcome.status, snapshot) or slot.early
        if urgent and self._thread_turns:
            self._thread_turns.shorten()
        self._outcomes.add(outcome, urgent=urgent)

    def oldest_result_age_s(self) -> float:
        """Age of the oldest result that is not enqueued for ingest yet; 0 when there is none."""
        return self._outcomes.oldest_age_s()

    async def close(self, timeout_s: float) -> None:
        """Wait up to `timeout_s` for running checks, then flush their outcomes."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)
        await self._outcomes.close()


async def _enqueue(outcomes: list[CheckOutcome]) -> None:
    await queue.put(ResultBatch(outcomes))
