"""Unchecked slots are stored: a few one by one, many as one row, none twice."""

import pytest

from app import db
from app.domain.schedule import slots
from app.store.history import gaps
from schema.heartbeats import slot_of_key
from schema.status import Status
from tests import make

INTERVAL = make.MINUTE_MS
FIRST = slots.next_slot(1, INTERVAL, make.NOW_MS)


async def store_gaps(*missed) -> tuple[list[int], int]:
    """(slots with a heartbeat, gap rows)."""
    for _ in range(2):
        async with db.transaction():
            await gaps.store(missed)
    beats = await db.rows("SELECT id, status FROM heartbeats ORDER BY id")
    assert {row["status"] for row in beats} <= {Status.UNKNOWN}
    return [slot_of_key(row["id"])[1] for row in beats], (await db.rows("SELECT count(*) AS n FROM gaps"))[0]["n"]


@pytest.mark.usefixtures("store")
async def test_a_few_missed_slots_are_unknown_heartbeats():
    gap = make.gap(from_ms=FIRST, to_ms=FIRST + 3 * INTERVAL - 1, interval_ms=INTERVAL)
    assert await store_gaps(gap) == ([FIRST, FIRST + INTERVAL, FIRST + 2 * INTERVAL], 0)


@pytest.mark.usefixtures("store")
async def test_a_missed_retry_has_its_own_heartbeat():
    gap = make.gap(from_ms=FIRST - 500, to_ms=FIRST + INTERVAL - 1, interval_ms=INTERVAL)
    assert await store_gaps(gap) == ([FIRST - 500, FIRST], 0)


@pytest.mark.usefixtures("store")
async def test_many_missed_slots_are_one_gap():
    gap = make.gap(from_ms=FIRST, to_ms=FIRST + gaps.MAX_AS_HEARTBEATS * INTERVAL, interval_ms=INTERVAL)
    assert await store_gaps(gap) == ([], 1)


@pytest.mark.usefixtures("store")
async def test_slots_whose_results_may_still_come_stay_a_gap():
    assert await store_gaps(make.gap(from_ms=FIRST, to_ms=FIRST + INTERVAL)) == ([], 1)
