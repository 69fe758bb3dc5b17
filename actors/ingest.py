"""The ingest stage: outcomes become heartbeats in one transaction; only then is anybody told.

The order after the commit is: notify jobs (people first), landing (frees the series), live frames (best effort).
A crash in between loses none of them: deliveries are swept, flights expire, and redelivery changes no row.
"""

import asyncio
from time import perf_counter

import structlog
from redis.exceptions import RedisError

from actors import gauges
from actors.snapshots import Snapshots
from app import cache, due, live, queue
from app.store import heartbeats
from app.store.heartbeats import Absorbed, Kept
from schema.jobs import ResultBatch
from schema.messages import NOTES
from schema.monitors import Snapshot
from schema.status import Status
from schema.targets import Push

AGAIN = (Status.PENDING, Status.UNKNOWN)
BLIND_MS = 60_000  # until a push monitor is looked at again that nobody could look at

log = structlog.get_logger()


class Clerk:
    """Writes batches down, one at a time: SQLite has one writer, and waiting here is cheaper than at its lock."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._desk = asyncio.Lock()

    async def ingest(self, batch: ResultBatch) -> None:
        """Store a batch and set off its consequences. Safe to repeat."""
        began = perf_counter()
        known = await self._snapshots.of_series({one.series: one.version for one in batch.outcomes})
        async with self._desk:
            absorbed = await heartbeats.absorb(batch, known, due.now_ms())
        await _tell(batch, absorbed, known)
        gauges.INGESTED.inc(len(absorbed.kept))
        gauges.INGEST_TOOK.observe(perf_counter() - began)


async def _tell(batch: ResultBatch, absorbed: Absorbed, known: dict[int, Snapshot]) -> None:
    await queue.put(*queue.notify_jobs(absorbed.deliveries))
    await cache.drop()  # before landing: who waits for a check reads the results next
    retries = {(one.outcome.series, one.outcome.at_ms): _retry_at_ms(one, known) for one in absorbed.kept}
    await due.land(
        [
            due.Landing(one.series, one.at_ms, one.look_ms or retries.get((one.series, one.at_ms), 0))
            for one in batch.outcomes
        ]
    )
    if absorbed.looks:
        await due.put(absorbed.looks, first_at_ms=due.now_ms())
    await due.forget_gaps(batch.gaps)
    try:
        await live.publish(heartbeats.shown(absorbed.kept, known), absorbed.events)
    except RedisError as error:
        log.warning("live.not_published", error=type(error).__name__)


def _retry_at_ms(kept: Kept, known: dict[int, Snapshot]) -> int:
    """When a monitor with retries left wants to be looked at again; 0 when it does not."""
    if kept.verdict is None or kept.status not in AGAIN or kept.outcome.code in NOTES:
        return 0
    snapshot = known[kept.outcome.series]
    if kept.status is Status.PENDING:
        return max(due.now_ms(), kept.outcome.at_ms + snapshot.retry_ms)
    # We could not tell whether a report came in time; the next slot of a nightly job would be a day away.
    return due.now_ms() + BLIND_MS if isinstance(snapshot.target, Push) else 0
