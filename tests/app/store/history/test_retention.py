"""What is too old goes, what is still needed stays, and a deleted monitor leaves nothing."""

import pytest

from app import db
from app.domain.incidents.lifecycle import NewTimelineEntry
from app.store.history import completeness, retention, rollups
from app.store.history.retention import RetentionPeriods
from app.store.incidents import timeline
from app.store.system import checkpoints
from app.store.tables.heartbeats import IMPORTANT
from schema.heartbeats import slot_of_key
from schema.incidents import EntryKind
from schema.status import Status
from tests.app.store import history_rows
from tests.app.store.history_rows import DAY, HOUR, START

NOW = START + 3 * DAY
KEEP = RetentionPeriods(heartbeat_days=1, hourly_days=2, daily_days=30)


async def stored_heartbeats(table="heartbeats"):
    """Series and instants of what is left."""
    return [slot_of_key(row["id"]) for row in await db.rows(f"SELECT id FROM {table} ORDER BY id")]


async def count(table):
    return (await db.rows(f"SELECT count(*) AS n FROM {table}"))[0]["n"]


async def roll_all(now_ms):
    while await rollups.advance(now_ms):
        pass


@pytest.fixture
async def three_days(store):
    """Two series that were checked every five minutes for three days, and rolled up."""
    for no in (1, 2):
        await history_rows.series(no, (START, 5 * history_rows.MINUTE))
        await history_rows.beats(no, history_rows.slots(no, START, NOW, 5 * history_rows.MINUTE))
    await roll_all(NOW)


async def test_old_heartbeats_go_and_young_ones_stay(three_days):
    await retention.prune(NOW, KEEP)
    assert {series for series, _ in await stored_heartbeats()} == {1, 2}
    assert min(at_ms for _, at_ms in await stored_heartbeats()) >= NOW - DAY
    assert await count("heartbeats") == 2 * 288


async def test_heartbeats_are_not_pruned_before_they_are_rolled_up(three_days):
    await checkpoints.save(checkpoints.ROLLED, START + 5 * HOUR)
    await retention.prune(NOW, KEEP)
    early = [series for series, at_ms in await stored_heartbeats() if at_ms < START + 4 * HOUR]
    assert early == [1, 2]  # the newest of the rolled ones; the fifth hour will be rolled once more


async def test_without_any_rollup_nothing_goes(store):
    await history_rows.series(1)
    await history_rows.beats(1, history_rows.slots(1, START, START + HOUR))
    assert await retention.prune(NOW, KEEP) == 0


async def test_the_history_is_whole_after_pruning(three_days):
    await retention.prune(NOW, KEEP)
    found = await completeness.build_report(NOW, HOUR)
    assert (found.missing, found.doubled) == (0, 0)
    assert found.slots > 500


async def test_important_heartbeats_and_their_messages_stay_longer(store):
    await history_rows.series(1)
    first, second, *_, last = history_rows.slots(1, START + 5 * HOUR, NOW - 3 * HOUR)
    await history_rows.beats(1, [first], Status.DOWN, IMPORTANT)
    await history_rows.beats(1, [second, last], Status.DOWN)
    await history_rows.details(1, [first, second])
    await roll_all(NOW)
    await retention.prune(NOW, RetentionPeriods(heartbeat_days=1, hourly_days=10))
    assert await stored_heartbeats() == [(1, first), (1, last)]
    assert await stored_heartbeats("heartbeat_details") == [(1, first)]
    await retention.prune(NOW, RetentionPeriods(heartbeat_days=1, hourly_days=2))
    assert (await stored_heartbeats(), await stored_heartbeats("heartbeat_details")) == ([(1, last)], [])


async def test_the_newest_heartbeat_stays_however_old_it_is(store):
    await history_rows.series(1, (START, 31 * DAY))
    await history_rows.beats(1, [START + HOUR, START + 2 * HOUR])
    await roll_all(NOW)
    await retention.prune(NOW, KEEP)
    assert await stored_heartbeats() == [(1, START + 2 * HOUR)]


async def test_hours_go_before_days(three_days):
    await retention.prune(NOW, KEEP)
    hours = await rollups.load([1], 0, range(START, NOW))
    days = await rollups.load([1], 1, range(START, NOW))
    assert min(hours[1]) == START + DAY
    assert list(days[1]) == [START, START + DAY]
    await retention.prune(NOW + 40 * DAY, KEEP)
    assert await count("rollups") == 0


@pytest.mark.parametrize("chunk", [1, 7, 288, 289])
async def test_chunks_of_any_size_remove_the_same(three_days, monkeypatch, chunk):
    monkeypatch.setattr(retention, "CHUNK", chunk)
    monkeypatch.setattr(retention, "PAUSE_S", 0)
    await checkpoints.save(checkpoints.ROLLED, NOW - 20 * HOUR)
    await retention.prune(NOW - 20 * HOUR, KEEP)
    left = [at_ms for series, at_ms in await stored_heartbeats() if series == 1]
    assert left == history_rows.slots(1, START + 28 * HOUR, NOW, 5 * history_rows.MINUTE)


async def test_pruning_again_removes_nothing(three_days):
    assert await retention.prune(NOW, KEEP) > 0
    assert await retention.prune(NOW, KEEP) == 0


async def test_the_mark_of_what_may_be_gone_never_moves_back(three_days):
    await retention.prune(NOW, KEEP)
    before = await checkpoints.get(checkpoints.PRUNED)
    await retention.prune(NOW, RetentionPeriods(heartbeat_days=365))
    assert await checkpoints.get(checkpoints.PRUNED) == before


@pytest.mark.parametrize("state", ["sent", "dead", "suppressed"])
async def test_old_deliveries_go_with_their_events_and_every_try(store, state):
    for number in range(retention.EVENT_CHUNK + 1):
        await history_rows.event(f"old {number}", START)
    await history_rows.delivery("d", "old 0")
    await db.rows("UPDATE deliveries SET state = ?1", state)
    await db.rows(
        "INSERT INTO delivery_attempts (delivery_id, attempt, at_ms, took_ms, state) VALUES ('d', 1, 1, 1, 'sent')"
    )
    await retention.prune(NOW, KEEP)
    assert [await count(table) for table in ("events", "deliveries", "delivery_attempts")] == [0, 0, 0]


async def test_old_events_are_deleted_unless_a_delivery_is_pending(store):
    await history_rows.event("old", START)
    await history_rows.event("open", START)
    await history_rows.event("new", NOW - HOUR)
    await history_rows.delivery("d", "open")
    await retention.prune(NOW, KEEP)
    left = await db.rows("SELECT id FROM events ORDER BY id")
    assert [row["id"] for row in left] == ["new", "open"]


async def test_old_incidents_go_with_their_timelines_unless_they_last(store):
    for id_, ended_ms in (("old", START), ("open", None), ("new", NOW - HOUR)):
        await db.rows(
            "INSERT INTO incidents (id, title, started_ms, detected_ms, resolved_ms, created_ms, updated_ms)"
            " VALUES (?1, 'x', ?2, ?2, ?3, ?2, ?2)",
            id_,
            START,
            ended_ms,
        )
        await timeline.add_entries([NewTimelineEntry(id_, START, EntryKind.NOTE, "seen")])
    await retention.prune(NOW, KEEP)
    left = await db.rows("SELECT i.id FROM incidents i JOIN incident_entries e ON e.incident_id = i.id ORDER BY i.id")
    assert [row["id"] for row in left] == ["new", "open"]
    assert await count("incident_entries") == 2


async def test_schedule_periods_stay_as_long_as_heartbeats(three_days):
    await history_rows.series(3, (START, 60_000), (START + HOUR, 0), (START + 2 * HOUR, 60_000), (NOW - HOUR, 30_000))
    await retention.prune(NOW, KEEP)
    assert [period.from_ms for period in (await completeness.schedule_periods([3]))[3]] == [
        START + 2 * HOUR,
        NOW - HOUR,
    ]


async def test_a_deleted_monitor_leaves_nothing_and_others_everything(three_days):
    await history_rows.details(1, history_rows.slots(1, START, START + HOUR, 5 * history_rows.MINUTE))
    await history_rows.gap(1, START, START + HOUR)
    await db.rows("UPDATE series SET deleted_ms = ?1 WHERE no = 1", NOW - HOUR)
    before = {table: await count(table) for table in ("heartbeats", "rollups", "schedule_periods", "series")}
    assert await retention.purge_deleted_monitors(NOW) == 1
    after = {table: await count(table) for table in before}
    assert after == {table: n // 2 for table, n in before.items()}
    assert (await count("heartbeat_details"), await count("gaps")) == (0, 0)
    assert {series for series, _ in await stored_heartbeats()} == {2}


async def test_a_monitor_that_was_just_deleted_waits_for_its_last_results(store):
    await history_rows.series(1, deleted_ms=NOW - 1_000)
    assert await retention.purge_deleted_monitors(NOW) == 0
