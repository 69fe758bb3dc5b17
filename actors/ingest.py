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
from app import due_set, live, queue, response_cache
from app.store.monitoring.dependencies import Look
from app.store.transactions import result_isolation, results
from app.store.transactions.results import Absorbed, Kept
from schema.heartbeat_texts import INVENTED, NOTES
from schema.jobs import Plan, ResultBatch
from schema.monitors import Snapshot
from schema.status import Status
from schema.targets import Push

AGAIN = (Status.PENDING, Status.UNKNOWN)
TOGETHER = 500  # outcomes in one transaction: a tenth of a second in which nobody else writes
BLIND_MS = 60_000  # until a push monitor is looked at again that nobody could look at

log = structlog.get_logger()


class Waiting:
    """A batch that waits to be written down. `done` says when it is stored and its consequences are set off."""

    def __init__(self, batch: ResultBatch) -> None:
        self.batch, self.taken = batch, False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Clerk:
    """Writes batches down, one transaction at a time: SQLite has one writer, and waiting here is cheaper than there.

    What came while one was written is written together. A failure leaves its worker at once and alone, so when
    everything fails hundreds of little batches wait, and the price of a transaction is paid once for all of them.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._desk = asyncio.Lock()
        self._waiting: deque[Waiting] = deque()

    async def ingest(self, batch: ResultBatch) -> None:
        """Store a batch and set off its consequences. Safe to repeat."""
        began, mine = perf_counter(), Waiting(batch)
        self._waiting.append(mine)
        async with self._desk:
            taken = [] if mine.taken else self._take()
            with _shared(taken, mine):
                stored = await self._store(taken) if taken else None
        with _shared(taken, mine):
            if stored:
                await _tell(*stored)
                worker_metrics.INGESTED.inc(len(stored[1].kept))
                worker_metrics.INGEST_TOOK.observe(perf_counter() - began)
        for one in taken:
            if not one.done.done():
                one.done.set_result(None)
        await mine.done

    def _take(self) -> list[Waiting]:
        """Those who have waited longest, as many as make one transaction."""
        taken, room = list[Waiting](), TOGETHER
        while self._waiting and (not taken or room >= len(self._waiting[0].batch.outcomes)):
            one = self._waiting.popleft()
            one.taken, room = True, room - len(one.batch.outcomes)
            taken.append(one)
        return taken

    async def _store(self, taken: Sequence[Waiting]) -> tuple[ResultBatch, Absorbed, dict[int, Snapshot]]:
        outcomes = [outcome for one in taken for outcome in one.batch.outcomes]
        batch = ResultBatch(outcomes, [gap for one in taken for gap in one.batch.gaps])
        known = await self._snapshots.of_series({one.series: one.version for one in outcomes})
        return batch, await result_isolation.absorb(batch, known, due_set.now_ms()), known


@contextmanager
def _shared(taken: Sequence[Waiting], mine: Waiting) -> Iterator[None]:
    """What goes wrong goes wrong for all of them: each batch is a job of its own, and is put off by itself."""
    others = [one for one in taken if one is not mine]
    try:
        yield
    except BaseException as error:
        for one in others:
            if not one.done.done():
                one.done.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
        raise


async def _tell(batch: ResultBatch, absorbed: Absorbed, known: dict[int, Snapshot]) -> None:
    await queue.put(*queue.notify_jobs(absorbed.deliveries))
    await response_cache.drop()  # before landing: who waits for a check reads the results next
    retries = {(one.outcome.series, one.outcome.at_ms): _retry_at_ms(one, known) for one in absorbed.kept}
    await due_set.land(
        [
            due_set.Landing(
                one.series,
                one.at_ms,
                one.look_ms or retries.get((one.series, one.at_ms), 0),
                real=one.code not in INVENTED,
            )
            for one in batch.outcomes
        ]
    )
    await _look_at(absorbed.looks)
    await due_set.forget_gaps(batch.gaps)
    try:
        await live.publish(results.shown(absorbed.kept, known), absorbed.events)
    except RedisError as error:
        log.warning("live.not_published", error=type(error).__name__)


async def _look_at(looks: Iterable[Look]) -> None:
    """Have these checked, each not later than it should be."""
    now_ms, plans = due_set.now_ms(), dict[int, list[Plan]]()
    for one in looks:
        plans.setdefault(max(now_ms, one.at_ms), []).append(one.plan)
    for at_ms, many in plans.items():
        await due_set.put(many, first_at_ms=at_ms)


def _retry_at_ms(kept: Kept, known: dict[int, Snapshot]) -> int:
    """When a monitor with retries left wants to be looked at again; 0 when it does not."""
    if kept.verdict is None or kept.status not in AGAIN or kept.outcome.code in NOTES:
        return 0
    snapshot = known[kept.outcome.series]
    if kept.status is Status.PENDING:
        return max(due_set.now_ms(), kept.outcome.at_ms + snapshot.retry_ms)
    # We could not tell whether a report came in time; the next slot of a nightly job would be a day away.
    return due_set.now_ms() + BLIND_MS if isinstance(snapshot.target, Push) else 0
