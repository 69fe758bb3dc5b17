"""The ingest stage: stores outcomes as heartbeats in one transaction, then publishes what follows.

The order after the commit: notify jobs, stored slots in the due set (frees the series), live frames (best effort).
A crash in between loses none of them: deliveries are swept, flights expire, and redelivery changes no row.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from actors import worker_metrics
from actors.alert_lag import AlertLag
from actors.snapshots import Snapshots
from app import clock, due_set, live, queue, response_cache
from app.store.monitoring.dependencies import Recheck
from app.store.transactions import result_isolation, results
from app.store.transactions.results import StoredHeartbeat, StoredResults
from schema.heartbeat_texts import INFORMATIONAL, SYNTHETIC
from schema.jobs import MonitorSchedule, ResultBatch
from schema.monitors import Snapshot
from schema.status import Status
from schema.targets import Push

RECHECKED_STATUSES = (Status.PENDING, Status.UNKNOWN)
MAX_OUTCOMES = 500  # in one transaction: it holds the write lock for a tenth of a second
RECHECK_UNKNOWN_MS = 60_000  # until a push monitor with status UNKNOWN is checked again


class PendingBatch:
    """A batch waiting for its transaction. `done` is set once it is stored and published."""

    def __init__(self, batch: ResultBatch) -> None:
        self.batch, self.taken = batch, False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class ResultWriter:
    """Stores batches, one transaction at a time (group commit). SQLite has one writer; waiting here is cheaper.

    Batches that arrive during a transaction share the next one. Failures leave their worker at once and alone, so
    when everything fails hundreds of small batches wait and pay for one transaction together.
    """

    def __init__(self, snapshots: Snapshots, lag: AlertLag | None = None) -> None:
        self._snapshots, self._lag = snapshots, lag or AlertLag()
        self._lock = asyncio.Lock()
        self._pending: deque[PendingBatch] = deque()

    async def ingest(self, batch: ResultBatch) -> None:
        """Store a batch and publish its results. Safe to repeat."""
        began, own = perf_counter(), PendingBatch(batch)
        self._pending.append(own)
        async with self._lock:
            taken = [] if own.taken else self._take_pending()
            with _sharing_errors(taken, own):
                stored = await self._store(taken) if taken else None
        with _sharing_errors(taken, own):
            if stored:
                await _publish(*stored)
                worker_metrics.HEARTBEATS_STORED.inc(len(stored[1].heartbeats))
                worker_metrics.INGEST_DURATION.observe(perf_counter() - began)
        for pending in taken:
            if not pending.done.done():
                pending.done.set_result(None)
        await own.done

    def _take_pending(self) -> list[PendingBatch]:
        """Remove the oldest pending batches, as many as fit into one transaction."""
        taken, remaining = list[PendingBatch](), MAX_OUTCOMES
        while self._pending and (not taken or remaining >= len(self._pending[0].batch.outcomes)):
            pending = self._pending.popleft()
            pending.taken, remaining = True, remaining - len(pending.batch.outcomes)
            taken.append(pending)
        return taken

    async def _store(self, taken: Sequence[PendingBatch]) -> tuple[ResultBatch, StoredResults, dict[int, Snapshot]]:
        outcomes = [outcome for one in taken for outcome in one.batch.outcomes]
        batch = ResultBatch(outcomes, [gap for one in taken for gap in one.batch.gaps])
        snapshots = await self._snapshots.for_series({one.series: one.version for one in outcomes})
        stored = await result_isolation.store_isolated(batch, snapshots, clock.now_ms())
        ended_ms = [one.began_ms + one.took_us / 1000 for one in outcomes if one.began_ms]
        self._lag.note("ingest", max(0.0, clock.now_ms() - min(ended_ms)) / 1000 if ended_ms else 0.0)
        return batch, stored, snapshots


@contextmanager
def _sharing_errors(taken: Sequence[PendingBatch], own: PendingBatch) -> Iterator[None]:
    """Pass an error on to every batch of the transaction: each belongs to a job that retries by itself."""
    others = [pending for pending in taken if pending is not own]
    try:
        yield
    except BaseException as error:
        for pending in others:
            if not pending.done.done():
                pending.done.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
        raise


async def _publish(batch: ResultBatch, stored: StoredResults, snapshots: dict[int, Snapshot]) -> None:
    await queue.put(*queue.notify_jobs(stored.deliveries))
    await response_cache.invalidate()  # before the slots: a client that waits for a check reads the results next
    retries = {(one.outcome.series, one.outcome.at_ms): _retry_at_ms(one, snapshots) for one in stored.heartbeats}
    await due_set.mark_stored(
        [
            due_set.StoredSlot(
                outcome.series,
                outcome.at_ms,
                outcome.recheck_ms or retries.get((outcome.series, outcome.at_ms), 0),
                is_real=outcome.code not in SYNTHETIC,
            )
            for outcome in batch.outcomes
        ]
    )
    if stored.rechecks:
        await _recheck(stored.rechecks)
    await due_set.remove_gaps(batch.gaps)
    await live.publish(results.to_heartbeats(stored.heartbeats, snapshots), stored.events)


async def _recheck(rechecks: Iterable[Recheck]) -> None:
    """Schedule these checks, each at its time at the latest."""
    now_ms, schedules = clock.now_ms(), dict[int, list[MonitorSchedule]]()
    for recheck in rechecks:
        schedules.setdefault(max(now_ms, recheck.at_ms), []).append(recheck.schedule)
    for at_ms, group in schedules.items():
        await due_set.put_series(group, first_at_ms=at_ms)


def _retry_at_ms(heartbeat: StoredHeartbeat, snapshots: dict[int, Snapshot]) -> int:
    """When to check a monitor with retries left again; 0 for its normal schedule."""
    if (
        heartbeat.evaluation is None
        or heartbeat.status not in RECHECKED_STATUSES
        or heartbeat.outcome.code in INFORMATIONAL
    ):
        return 0
    snapshot = snapshots[heartbeat.outcome.series]
    if heartbeat.status is Status.PENDING:
        return max(clock.now_ms(), heartbeat.outcome.at_ms + snapshot.retry_ms)
    # Unknown whether a report came in time; the next slot of a nightly job may be a day away.
    return clock.now_ms() + RECHECK_UNKNOWN_MS if isinstance(snapshot.target, Push) else 0
