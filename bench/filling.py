"""Fills a database with heartbeats as production would: through the same code, in order of time."""

import math
import random
from collections.abc import Iterator, Sequence

from app import db
from app.store.transactions import results
from schema.jobs import CheckOutcome, ResultBatch
from schema.monitors import Snapshot
from schema.status import Status
from schema.targets import Http

BATCH = 100  # as the workers flush them
INTERVAL_MS = 20_000
FAILS = 0.001  # of the checks
SLOW = 5  # times the usual


async def fill(series: Sequence[int], first_ms: int, slots: int) -> int:
    """Absorb so many slots of each series, from `first_ms` on; returns how many heartbeats that were."""
    chance = random.Random(7)
    for batch in _batches(series, first_ms, slots, chance):
        await results.store_results(batch, {one.series: _snapshot(one.series) for one in batch.outcomes}, 0)
    return len(series) * slots


async def checkpointed_bytes() -> int:
    """Size of the SQLite file with nothing left in its log."""
    await db.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    pages, size = await db.rows("PRAGMA page_count"), await db.rows("PRAGMA page_size")
    free = await db.rows("PRAGMA freelist_count")
    return int((pages[0]["page_count"] - free[0]["freelist_count"]) * size[0]["page_size"])


def _batches(series: Sequence[int], first_ms: int, slots: int, chance: random.Random) -> Iterator[ResultBatch]:
    for slot in range(slots):
        for start in range(0, len(series), BATCH):
            at_ms = first_ms + slot * INTERVAL_MS + start * INTERVAL_MS // len(series)
            yield ResultBatch([_outcome(no, at_ms, chance) for no in series[start : start + BATCH]])


def _outcome(series: int, at_ms: int, chance: random.Random) -> CheckOutcome:
    took_us = _took_us(series, chance)
    if chance.random() < FAILS:
        return CheckOutcome(series, 1, at_ms, Status.DOWN, at_ms + 20, took_us, message="500 Internal Server Error")
    return CheckOutcome(series, 1, at_ms, Status.UP, at_ms + 20, took_us, code=200)


def _took_us(series: int, chance: random.Random) -> int:
    """Targets differ much from each other and little from themselves, but for a slow answer in a hundred."""
    usual = random.Random(series).lognormvariate(math.log(20_000), 1)
    slow = SLOW if chance.random() < 0.01 else 1
    return int(usual * slow * chance.lognormvariate(0, 0.25))


def _snapshot(series: int) -> Snapshot:
    target = Http(url="http://127.0.0.1/")
    return Snapshot(series, 1, f"m-{series}", f"t-{series}", target, INTERVAL_MS, 16_000, INTERVAL_MS, 0, 0, False)
