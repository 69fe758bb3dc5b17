"""The ingest stage: outcomes become heartbeats in one transaction; only then is anybody told.

The order after the commit is: notify jobs (people first), landing (frees the series), live frames (best effort).
A crash in between loses none of them: deliveries are swept, flights expire, and redelivery changes no row.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

import structlog
from redis.exceptions import RedisError

from actors import worker_metrics
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
MAX_OUTCOMES = 500  # outcomes in one transaction: a tenth of a second in which nobody else writes
RECHECK_UNKNOWN_MS = 60_000  # until a push monitor is looked at again that nobody could look at

log = structlog.get_logger()


class PendingBatch:
    """A batch that waits to be written down. `done` says when it is stored and its consequences are set off."""

    def __init__(self, batch: ResultBatch) -> None:
        self.batch, self.taken = batch, False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class ResultWriter:
    """Writes batches down, one transaction at a time: SQLite has one writer, and waiting here is cheaper than there.

    What came while one was written is written together. A failure leaves its worker at once and alone, so when
    everything fails hundreds of little batches wait, and the price of a transaction is paid once for all of them.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._lock = asyncio.Lock()
        self._pending: deque[PendingBatch] = deque()

    async def ingest(self, batch: ResultBatch) -> None:
        """Store a batch and set off its consequences. Safe to repeat."""
        began, mine = perf_counter(), PendingBatch(batch)
        self._pending.append(mine)
        async with self._lock:
            taken = [] if mine.taken else self._take_pending()
            with _sharing_errors(taken, mine):
                stored = await self._store(taken) if taken else None
        with _sharing_errors(taken, mine):
            if stored:
                await _publish(*stored)
                worker_metrics.HEARTBEATS_STORED.inc(len(stored[1].heartbeats))
                worker_metrics.INGEST_DURATION.observe(perf_counter() - began)
        for one in taken:
            if not one.done.done():
                one.done.set_result(None)
        await mine.done

    def _take_pending(self) -> list[PendingBatch]:
        """Those who have waited longest, as many as make one transaction."""
        taken, room = list[PendingBatch](), MAX_OUTCOMES
        while self._pending and (not taken or room >= len(self._pending[0].batch.outcomes)):
            one = self._pending.popleft()
            one.taken, room = True, room - len(one.batch.outcomes)
            taken.append(one)
        return taken

    async def _store(self, taken: Sequence[PendingBatch]) -> tuple[ResultBatch, StoredResults, dict[int, Snapshot]]:
        outcomes = [outcome for one in taken for outcome in one.batch.outcomes]
        batch = ResultBatch(outcomes, [gap for one in taken for gap in one.batch.gaps])
        known = await self._snapshots.for_series({one.series: one.version for one in outcomes})
        return batch, await result_isolation.store_isolated(batch, known, clock.now_ms()), known


@contextmanager
def _sharing_errors(taken: Sequence[PendingBatch], mine: PendingBatch) -> Iterator[None]:
    """What goes wrong goes wrong for all of them: each batch is a job of its own, and is put off by itself."""
    others = [one for one in taken if one is not mine]
    try:
        yield
    except BaseException as error:
        for one in others:
            if not one.done.done():
                one.done.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
        raise


async def _publish(batch: ResultBatch, absorbed: StoredResults, known: dict[int, Snapshot]) -> None:
    await queue.put(*queue.notify_jobs(absorbed.deliveries))
    await response_cache.invalidate()  # before landing: who waits for a check reads the results next
    retries = {(one.outcome.series, one.outcome.at_ms): _retry_at_ms(one, known) for one in absorbed.heartbeats}
    await due_set.mark_stored(
        [
            due_set.StoredSlot(
                one.series,
                one.at_ms,
                one.recheck_ms or retries.get((one.series, one.at_ms), 0),
                is_real=one.code not in SYNTHETIC,
            )
            for one in batch.outcomes
        ]
    )
    await _recheck(absorbed.rechecks)
    await due_set.remove_gaps(batch.gaps)
    try:
        await live.publish(results.to_heartbeats(absorbed.heartbeats, known), absorbed.events)
    except RedisError as error:
        log.warning("live.not_published", error=type(error).__name__)


async def _recheck(looks: Iterable[Recheck]) -> None:
    """Have these checked, each not later than it should be."""
    now_ms, plans = clock.now_ms(), dict[int, list[MonitorSchedule]]()
    for one in looks:
        plans.setdefault(max(now_ms, one.at_ms), []).append(one.schedule)
    for at_ms, many in plans.items():
        await due_set.put_series(many, first_at_ms=at_ms)


def _retry_at_ms(kept: StoredHeartbeat, known: dict[int, Snapshot]) -> int:
    """When a monitor with retries left wants to be looked at again; 0 when it does not."""
    if kept.evaluation is None or kept.status not in RECHECKED_STATUSES or kept.outcome.code in INFORMATIONAL:
        return 0
    snapshot = known[kept.outcome.series]
    if kept.status is Status.PENDING:
        return max(clock.now_ms(), kept.outcome.at_ms + snapshot.retry_ms)
    # We could not tell whether a report came in time; the next slot of a nightly job would be a day away.
    return clock.now_ms() + RECHECK_UNKNOWN_MS if isinstance(snapshot.target, Push) else 0
