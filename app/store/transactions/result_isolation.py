"""Stores a batch of results so that a single bad result does not block the others.

When a transaction fails because of its data, the batch is stored in halves, until the bad result is alone. That one is
stored as *unknown* with our own message, and logged once. An unavailable database, and bugs that hit every result,
still raise: the caller retries the batch.
"""

from collections.abc import Mapping
from itertools import chain

import structlog
from redis.exceptions import RedisError

from app import db
from app.domain.parsing import sanitize
from app.store.transactions import results
from app.store.transactions.results import StoredResults
from schema.jobs import CheckOutcome, ResultBatch, ScheduleGap
from schema.monitors import Snapshot

log = structlog.get_logger()

BatchPart = tuple[list[CheckOutcome], list[ScheduleGap]]


async def store_isolated(batch: ResultBatch, snapshots: Mapping[int, Snapshot], now_ms: int) -> StoredResults:
    """Store a batch like `results.store_results`. Raises `db.TRANSIENT_ERRORS`, and what fails for a placeholder."""
    try:
        return await results.store_results(batch, snapshots, now_ms)
    except (RedisError, *db.TRANSIENT_ERRORS):
        raise
    except Exception as error:  # noqa: BLE001  # any fault in one result's data
        log.warning("ingest.batch_split", n=len(batch.outcomes), n_gaps=len(batch.gaps), error=type(error).__name__)
        return await _store_in_halves(batch, snapshots, now_ms, error)


async def _store_in_halves(
    batch: ResultBatch, snapshots: Mapping[int, Snapshot], now_ms: int, error: Exception
) -> StoredResults:
    """Store the batch in halves, older slots first; replace a single result by a placeholder."""
    if len(batch.outcomes) + len(batch.gaps) > 1:
        parts = [await store_isolated(ResultBatch(*part), snapshots, now_ms) for part in _halves(batch)]
        return _merge(parts)
    if batch.gaps:
        log.error("ingest.gap_rejected", series=batch.gaps[0].series, exc_info=error)
        return StoredResults([], [], {})
    (outcome,) = batch.outcomes
    log.error("ingest.result_rejected", monitor_id=_monitor_id_of(outcome, snapshots), exc_info=error)
    return await results.store_results(ResultBatch([sanitize.unstorable_outcome(outcome, error)]), snapshots, now_ms)


def _halves(batch: ResultBatch) -> list[BatchPart]:
    """Split gaps from results, else either kind in two halves."""
    if batch.gaps and batch.outcomes:
        return [(batch.outcomes, []), ([], batch.gaps)]
    outcomes, gaps = sorted(batch.outcomes, key=lambda one: one.at_ms), batch.gaps
    middle = max(len(outcomes), len(gaps)) // 2
    return [(outcomes[:middle], gaps[:middle]), (outcomes[middle:], gaps[middle:])]


def _merge(parts: list[StoredResults]) -> StoredResults:
    deliveries: dict[str, list[str]] = {}
    for part in parts:
        for channel, ids in part.deliveries.items():
            deliveries.setdefault(channel, []).extend(ids)
    return StoredResults(
        list(chain.from_iterable(part.heartbeats for part in parts)),
        list(chain.from_iterable(part.events for part in parts)),
        deliveries,
        list(chain.from_iterable(part.rechecks for part in parts)),
    )


def _monitor_id_of(outcome: CheckOutcome, snapshots: Mapping[int, Snapshot]) -> str:
    known = snapshots.get(outcome.series)
    return known.monitor_id if known else ""
