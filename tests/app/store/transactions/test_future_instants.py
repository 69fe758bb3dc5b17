"""A clock that was ahead and is put right holds nothing back, invents nothing and rewrites no history."""

import pytest

from app import db
from app.domain.history.completeness import SchedulePeriod
from app.security.secrets import sealing
from app.store.alerting import channels, delivery_claims
from app.store.history import completeness, retention
from app.store.incidents import escalation_policies
from app.store.monitoring import schedule_coverage, series
from app.store.system import checkpoints
from app.store.tables.rollups import DAY_MS
from app.store.transactions import future_instants, monitors, results
from schema.escalations import EscalationDraft, EscalationStep
from schema.events import EventKind
from schema.heartbeats import heartbeat_key
from schema.jobs import CheckOutcome, ScheduleGap
from schema.monitors import MonitorPatch, Snapshot
from schema.status import Status
from tests import make

NOW = make.NOW_MS
STEP = make.MINUTE_MS
AHEADS = pytest.mark.parametrize("ahead_ms", [2 * STEP, 60 * STEP, 30 * 24 * 60 * STEP])


@pytest.fixture
async def known(store) -> dict[int, Snapshot]:
    """One monitor with a channel."""
    sealing.prepare(store)
    channel = await channels.create(make.channel())
    changed = await monitors.create(make.monitor(notification_channel_ids=[channel.id]))
    await db.rows("UPDATE monitors SET created_ms = ?1, updated_ms = ?1", NOW - STEP)
    return {one.series: one for one in await series.list_snapshots([changed.schedules[0].series])}


async def store_outcomes(known: dict[int, Snapshot], now_ms: int, *outcomes: CheckOutcome) -> list[EventKind]:
    """Store outcomes as of an instant; returns what happened."""
    stored = await results.store_results(make.results(*outcomes), known, now_ms)
    return [event.event for event in stored.events if event.event in (EventKind.MONITOR_DOWN, EventKind.MONITOR_UP)]


async def stored(at_ms: int) -> list[Status]:
    rows = await db.rows("SELECT status FROM heartbeats WHERE id = ?1", heartbeat_key(1, at_ms))
    return [Status(row["status"]) for row in rows]


@AHEADS
async def test_outcomes_are_judged_as_soon_as_the_clock_is_right(known, ahead_ms):
    await store_outcomes(known, NOW + ahead_ms, make.outcome(at_ms=NOW + ahead_ms))
    assert await store_outcomes(known, NOW, make.down(at_ms=NOW)) == [EventKind.MONITOR_DOWN]
    assert await store_outcomes(known, NOW + STEP, make.outcome(at_ms=NOW + STEP)) == [EventKind.MONITOR_UP]


async def test_an_outage_alerted_while_the_clock_was_ahead_ends_when_it_is_right(known):
    assert await store_outcomes(known, NOW + 60 * STEP, make.down(at_ms=NOW + 60 * STEP)) == [EventKind.MONITOR_DOWN]
    assert await store_outcomes(known, NOW, make.outcome(at_ms=NOW)) == [EventKind.MONITOR_UP]


async def test_time_that_passes_the_heartbeats_of_the_wrong_clock_hides_nothing(known):
    for minute in range(10, 14):
        await store_outcomes(known, NOW + minute * STEP, make.outcome(at_ms=NOW + minute * STEP))
    happened = []
    for minute in range(1, 17):
        at_ms, wrong = NOW + minute * STEP, minute in range(11, 15)
        outcome = make.down(at_ms=at_ms) if wrong else make.outcome(at_ms=at_ms)
        happened.append((minute, await store_outcomes(known, at_ms, outcome)))
    assert [one for one in happened if one[1]] == [(11, [EventKind.MONITOR_DOWN]), (15, [EventKind.MONITOR_UP])]
    assert await stored(NOW + 12 * STEP) == [Status.DOWN]
    (row,) = await db.rows("SELECT order_ms FROM series")
    assert row["order_ms"] is None


async def test_a_second_jump_holds_nothing_back_while_heartbeats_of_the_first_lie_ahead(known):
    await store_outcomes(known, NOW + 60 * STEP, make.outcome(at_ms=NOW + 60 * STEP))
    await store_outcomes(known, NOW, make.outcome(at_ms=NOW))
    await store_outcomes(known, NOW + 2 * STEP, make.outcome(at_ms=NOW + 2 * STEP))
    back_ms = NOW + STEP // 2
    assert await store_outcomes(known, back_ms, make.down(at_ms=back_ms)) == [EventKind.MONITOR_DOWN]


async def test_gaps_of_the_wrong_clock_end_now_and_those_that_have_not_begun_are_none(known):
    hour = 60 * STEP
    gaps = [make.gap(from_ms=NOW - STEP, to_ms=NOW + hour), make.gap(from_ms=NOW + hour, to_ms=NOW + 2 * hour)]
    await store_gaps(gaps, NOW + hour)
    await future_instants.repair(NOW)
    found = await db.rows("SELECT from_ms, to_ms FROM gaps")
    assert [(row["from_ms"], row["to_ms"]) for row in found] == [(NOW - STEP, NOW)]
    assert await future_instants.repair(NOW) == 0


async def store_gaps(gaps: list[ScheduleGap], now_ms: int) -> None:
    """Store gaps as of an instant."""
    await results.store_results(make.results(gaps=gaps), {}, now_ms)


async def test_redelivery_changes_nothing_while_heartbeats_lie_in_the_future(known):
    late = make.down(at_ms=NOW + 60 * STEP)
    await store_outcomes(known, NOW + 60 * STEP, late)
    await store_outcomes(known, NOW, make.outcome(at_ms=NOW))
    assert await store_outcomes(known, NOW, make.outcome(at_ms=NOW)) == []
    assert await store_outcomes(known, NOW, late) == []
    assert await store_outcomes(known, NOW + STEP, make.outcome(at_ms=NOW)) == []
    assert await stored(NOW) == [Status.UP]


async def test_coverage_knows_nothing_of_the_future(known):
    await db.rows("UPDATE schedule_periods SET from_ms = ?1", NOW - STEP * 60)
    await store_outcomes(known, NOW, make.outcome(at_ms=NOW - STEP))
    await store_outcomes(known, NOW + 60 * STEP, make.outcome(at_ms=NOW + 60 * STEP))
    (covered,) = await schedule_coverage.list_active(NOW)
    assert covered.covered_until_ms <= NOW


async def test_heartbeats_and_checkpoints_in_the_future_are_counted(known):
    assert await future_instants.find_heartbeats(NOW) == future_instants.FutureHeartbeats()
    await store_outcomes(known, NOW + 60 * STEP, make.outcome(at_ms=NOW + 60 * STEP))
    await checkpoints.save(checkpoints.ROLLED, NOW + 60 * STEP)
    assert await future_instants.find_heartbeats(NOW) == future_instants.FutureHeartbeats(1, NOW + 60 * STEP)
    assert await future_instants.find_checkpoints(NOW) == [checkpoints.ROLLED]


async def test_deliveries_of_the_wrong_clock_go_at_once_and_in_order(known):
    for at_ms, outcome in ((NOW + 60 * STEP, make.down), (NOW + 61 * STEP, make.outcome)):
        await store_outcomes(known, at_ms, outcome(at_ms=at_ms))
    await store_outcomes(known, NOW, make.down(at_ms=NOW))
    assert await future_instants.repair(NOW) > 0
    rows = await db.rows("SELECT d.id, e.kind FROM deliveries d JOIN events e ON e.id = d.event_id ORDER BY d.at_ms")
    happened = [row["kind"] for row in rows if row["kind"].startswith("monitor.")]
    assert happened == ["monitor.down", "monitor.up", "monitor.down"]
    assert await delivery_claims.claim([row["id"] for row in rows], NOW)
    assert await future_instants.repair(NOW) == 0


async def test_a_lease_of_the_wrong_clock_ends_in_time(known):
    await store_outcomes(known, NOW + 60 * STEP, make.down(at_ms=NOW + 60 * STEP))
    rows = await db.rows("SELECT id FROM deliveries")
    assert await delivery_claims.claim([row["id"] for row in rows], NOW + 60 * STEP)
    await future_instants.repair(NOW)
    assert await delivery_claims.claim([row["id"] for row in rows], NOW + STEP)


async def test_a_circuit_is_open_no_longer_than_its_failures_require(known):
    await db.rows(
        "UPDATE channels SET temporary_failures = 5, circuit_open_until_ms = ?1, failing_since_ms = ?1", NOW + 60 * STEP
    )
    await future_instants.repair(NOW)
    (row,) = await db.rows("SELECT circuit_open_until_ms FROM channels")
    assert row["circuit_open_until_ms"] == NOW


async def test_a_circuit_opened_by_retry_after_stays_open(known):
    await db.rows(
        "UPDATE channels SET temporary_failures = 1, circuit_open_until_ms = ?1, failing_since_ms = ?2",
        NOW + 60 * STEP,
        NOW,
    )
    await future_instants.repair(NOW)
    (row,) = await db.rows("SELECT circuit_open_until_ms FROM channels")
    assert row["circuit_open_until_ms"] == NOW + 60 * STEP


async def test_the_next_step_of_an_escalation_waits_no_longer_than_configured(known):
    (snapshot,) = known.values()
    (channel,) = await db.rows("SELECT id FROM channels")
    steps = [EscalationStep(after=30, channel_ids=[channel["id"]])]
    escalation = await escalation_policies.create(EscalationDraft(name="on call", steps=steps))
    await monitors.update(snapshot.monitor_id, MonitorPatch(escalation_id=escalation.id))
    await store_outcomes(known, NOW + 60 * STEP, make.down(at_ms=NOW + 60 * STEP))
    await future_instants.repair(NOW)
    (row,) = await db.rows("SELECT next_escalation_ms FROM incidents")
    assert row["next_escalation_ms"] == NOW + 30_000


async def test_a_schedule_that_was_changed_by_the_wrong_clock_is_in_force_from_now_on(known):
    await db.rows("UPDATE schedule_periods SET from_ms = ?1", NOW - STEP)
    await db.rows("UPDATE monitors SET interval_s = 20, updated_ms = ?1", NOW + 60 * STEP)
    await series.start_period([1], SchedulePeriod(NOW + 60 * STEP, 20_000))
    await future_instants.repair(NOW)
    periods = (await completeness.schedule_periods([1]))[1]
    assert [(period.from_ms, period.interval_ms) for period in periods] == [
        (NOW - STEP, 60_000), (NOW, 20_000), (NOW + 60 * STEP, 20_000),
    ]  # fmt: skip
    assert await future_instants.repair(NOW) == 0


async def test_a_later_change_applies_after_schedule_periods_of_a_wrong_clock(known):
    await db.rows("UPDATE schedule_periods SET from_ms = ?1", NOW + 60 * STEP)
    await series.start_period([1], SchedulePeriod(NOW, 30_000))
    assert {period.interval_ms for period in (await completeness.schedule_periods([1]))[1]} == {30_000}


async def test_a_checkpoint_in_the_future_stops_no_work_and_stays_where_it_is(store):
    await checkpoints.save(checkpoints.ROLLED, NOW + 60 * STEP)
    mark = await checkpoints.active_name(checkpoints.ROLLED, NOW, NOW - 60 * STEP)
    assert (await checkpoints.get(mark), await checkpoints.progress_ms(checkpoints.ROLLED, NOW, 0)) == (
        NOW - 60 * STEP,
        NOW - 60 * STEP,
    )
    await checkpoints.save(mark, NOW)
    assert await checkpoints.progress_ms(checkpoints.ROLLED, NOW, 0) == NOW
    assert await checkpoints.active_name(checkpoints.ROLLED, NOW + 120 * STEP, 0) == checkpoints.ROLLED
    assert await checkpoints.progress_ms(checkpoints.ROLLED, NOW + 120 * STEP, 0) == NOW + 60 * STEP


async def test_a_history_that_was_pruned_in_the_future_is_reviewed_from_now_on(known):
    await db.rows("UPDATE schedule_periods SET from_ms = ?1", NOW)
    await checkpoints.save(checkpoints.PRUNED, NOW + 30 * 24 * 60 * STEP)
    await retention.prune(NOW, retention.RetentionPeriods())
    assert (await completeness.build_report(NOW + 10 * STEP, 0)).missing == 10


async def test_fresh_heartbeats_are_not_pruned_because_a_checkpoint_lies_in_the_future(known):
    for minute in range(5):
        await store_outcomes(known, NOW + minute * STEP, make.outcome(at_ms=NOW + minute * STEP))
    for mark in (checkpoints.ROLLED, checkpoints.PRUNED):
        await checkpoints.save(mark, NOW + 30 * 24 * 60 * STEP)
    await retention.prune(NOW + 5 * STEP, retention.RetentionPeriods())
    await retention.prune(NOW + 31 * 24 * 60 * STEP - DAY_MS, retention.RetentionPeriods(heartbeat_days=60))
    (row,) = await db.rows("SELECT count(*) AS n FROM heartbeats")
    assert row["n"] == 5
