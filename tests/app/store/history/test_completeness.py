"""The whole history is read in pages; missing and duplicate heartbeats are counted."""

import asyncio

import pytest

from app import db
from app.store.history import completeness
from app.store.system import checkpoints
from app.store.tables.heartbeats import EARLY
from schema.heartbeats import heartbeat_key
from tests.app.store import history_rows
from tests.app.store.history_rows import HOUR, MINUTE, START

NOW = START + 6 * HOUR
SETTLE = 5 * MINUTE


async def counted():
    found = await completeness.build_report(NOW, SETTLE)
    return found.missing, found.doubled


@pytest.fixture
async def whole(store):
    """Three series without a flaw, checked until now."""
    for no in (1, 2, 3):
        await history_rows.series(no)
        await history_rows.beats(no, history_rows.slots(no, START, NOW))


async def test_a_complete_history_counts_what_was_read(whole):
    found = await completeness.build_report(NOW, SETTLE)
    assert (found.series, found.missing, found.doubled, found.gaps, found.worst) == (3, 0, 0, 0, [])
    assert found.slots == pytest.approx(3 * (6 * 60 - 5), abs=3)


async def test_a_missing_slot_is_found_and_named(store):
    await history_rows.series(1)
    slots = history_rows.slots(1, START, NOW)
    await history_rows.beats(1, slots[:100] + slots[101:])
    found = await completeness.build_report(NOW, SETTLE)
    assert (found.missing, found.doubled, found.worst[0].at_ms) == (1, 0, slots[100])


async def test_a_recorded_gap_is_not_missing(store):
    await history_rows.series(1)
    slots = history_rows.slots(1, START, NOW)
    await history_rows.beats(1, slots[:100] + slots[150:])
    await history_rows.gap(1, slots[100], slots[149])
    found = await completeness.build_report(NOW, SETTLE)
    assert (found.missing, found.gaps) == (0, 50)


async def test_a_heartbeat_off_the_grid_is_doubled_unless_it_is_early(whole):
    await history_rows.beats(2, [history_rows.slots(2, START, NOW)[50] + 7_000], flags=EARLY)
    assert await counted() == (0, 0)
    await history_rows.beats(3, [history_rows.slots(3, START, NOW)[50] + 7_000])
    assert await counted() == (0, 1)


async def test_slots_that_have_not_settled_are_not_required(store):
    await history_rows.series(1)
    await history_rows.beats(1, history_rows.slots(1, START, NOW - SETTLE))
    assert await counted() == (0, 0)


async def test_a_series_that_never_was_checked_misses_everything(store):
    await history_rows.series(1)
    missing, _ = await counted()
    assert missing == pytest.approx(355, abs=1)


async def test_a_deleted_series_and_what_was_pruned_are_left_out(store):
    await history_rows.series(1, deleted_ms=START)
    await history_rows.series(2)
    await history_rows.beats(2, history_rows.slots(2, START + HOUR, NOW))
    await checkpoints.save(checkpoints.PRUNED, START + HOUR)
    assert await counted() == (0, 0)


@pytest.mark.parametrize("page", [1, 7, 355, 356])
async def test_pages_of_any_size_count_the_same(whole, monkeypatch, page):
    monkeypatch.setattr(completeness, "PAGE", page)
    monkeypatch.setattr(completeness, "BATCH", 2)
    assert await counted() == (0, 0)


async def test_listed_slot_errors_are_limited_and_all_missing_slots_are_counted(store):
    await history_rows.series(1)
    await history_rows.series(2)
    found = await completeness.build_report(NOW, SETTLE)
    assert len(found.worst) == completeness.MAX_SHOWN
    assert found.missing == found.slots


async def test_cron_slots_are_counted_from_their_schedule_periods(store):
    await history_rows.series(1, (START, MINUTE))
    switch = START + 3 * HOUR
    await db.rows(
        "INSERT INTO schedule_periods (series, from_ms, interval_ms, cron, timezone) VALUES (1, ?1, 0, '*/30 * *"
        " * *', 'UTC')",
        switch,
    )
    half_hours = [switch + number * 30 * MINUTE for number in range(1, 6)]
    await history_rows.beats(1, history_rows.slots(1, START, switch) + half_hours[:2] + half_hours[3:])
    found = await completeness.build_report(NOW, SETTLE)
    assert (found.missing, found.doubled, found.worst[0].at_ms) == (1, 0, half_hours[2])


async def test_heartbeats_pruned_during_the_report_are_not_missing(whole, monkeypatch):
    monkeypatch.setattr(completeness, "PAGE", 20)

    async def prune() -> None:
        for minute in range(1, 330):
            await checkpoints.save(checkpoints.PRUNED, START + minute * MINUTE)
            for no in (1, 2, 3):
                until = heartbeat_key(no, START + minute * MINUTE)
                await db.rows("DELETE FROM heartbeats WHERE id >= ?1 AND id < ?2", heartbeat_key(no, START), until)

    found, _ = await asyncio.gather(completeness.build_report(NOW, SETTLE), prune())
    assert (found.missing, found.doubled) == (0, 0)
