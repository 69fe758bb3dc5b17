"""Each repair finds and fixes one kind of damage."""

import pytest
from prometheus_client import REGISTRY

from actors.reconcile import MAX_BACKLOG_S, RESWEEP_S, Reconciler
from app import clock, db, due_set, queue
from app.domain.schedule import slots
from app.security.secrets import sealing
from app.store.alerting import channels
from app.store.incidents import escalation_policies
from app.store.monitoring import series
from app.store.transactions import monitors, results
from schema.escalations import EscalationDraft, EscalationStep
from schema.jobs import CheckBatch, MonitorSchedule, NotifyBatch, ResultBatch
from schema.monitors import MonitorPatch
from schema.status import Status
from schema.targets import Push
from tests import make
from tests.actors.queued_jobs import jobs_of

INTERVAL_MS = 60_000


@pytest.fixture
async def plan(store, queue) -> MonitorSchedule:
    """One monitor that has been watched for an hour, and a due set that knows nothing of it."""
    sealing.prepare(store)
    changed = await monitors.create(make.monitor(interval=60))
    await db.rows("UPDATE schedule_periods SET from_ms = from_ms - 3600000")
    return changed.schedules[0]


async def checked(plan: MonitorSchedule, at_ms: int) -> None:
    snapshots = {one.series: one for one in await series.list_snapshots([plan.series])}
    await results.store_results(make.results(make.outcome(series=plan.series, at_ms=at_ms)), snapshots, at_ms)


def slot_before(plan: MonitorSchedule, back: int) -> int:
    return slots.next_slot(plan.series, INTERVAL_MS, clock.now_ms()) - back * INTERVAL_MS


async def test_an_emptied_redis_is_filled_from_the_database(plan):
    await Reconciler().rebuild()
    assert not due_set.has_changed(plan, (await due_set.list_scheduled())[plan.series])
    assert not (await due_set.claim_due(10)).is_missing


async def test_slots_missed_during_downtime_are_a_gap(plan):
    await checked(plan, slot_before(plan, 5))
    await Reconciler().rebuild()
    (gap,) = await due_set.list_gaps()
    assert (gap.from_ms, gap.to_ms) == (slot_before(plan, 4), slot_before(plan, 0) - 1)
    assert [job.gaps for job in await jobs_of(ResultBatch)] == [[gap]]


async def test_without_missed_slots_there_is_no_gap(plan):
    await checked(plan, slot_before(plan, 1))
    await Reconciler().rebuild()
    assert await due_set.list_gaps() == []


async def test_the_slot_after_a_gap_is_the_next_one_that_is_due(plan):
    await Reconciler().rebuild()
    (gap,) = await due_set.list_gaps()
    assert await due_set.oldest_due_ms() == gap.to_ms + 1


async def test_a_change_whose_message_was_lost_is_applied_by_the_next_reconciliation(plan):
    await due_set.mark_built()
    await Reconciler().reconcile()
    assert plan.series in await due_set.list_scheduled()


async def test_a_paused_monitor_leaves_the_due_set_with_the_next_reconciliation(plan, store):
    await Reconciler().rebuild()
    await db.rows("UPDATE monitors SET active = false")
    await Reconciler().reconcile()
    assert await due_set.list_scheduled() == {}


async def test_a_series_that_fell_out_of_the_due_set_is_put_back(plan):
    await Reconciler().rebuild()
    await queue.client().zrem(f"wk:due:{plan.series % due_set.PARTITIONS}", str(plan.series))
    await Reconciler().reconcile()
    assert await due_set.count_unscheduled() == 0


async def test_a_slot_without_a_result_is_requeued_and_then_unknown(plan):
    repairs = Reconciler()
    await repairs.rebuild()
    await due_set.put_series([plan], first_at_ms=clock.now_ms())
    await due_set.claim_due(10)
    for _ in range(2):
        await queue.client().zadd("wk:flight", {str(plan.series): clock.now_ms() - 2 * MAX_BACKLOG_S * 1000})
        await repairs.requeue_overdue()
    (again,) = await jobs_of(CheckBatch)
    lost = [outcome for job in await jobs_of(ResultBatch) for outcome in job.outcomes]
    assert [slot.attempt for slot in again.slots] == [1]
    assert [(one.status, one.at_ms) for one in lost] == [(Status.UNKNOWN, again.slots[0].at_ms)]


@pytest.mark.parametrize("job", [CheckBatch([make.slot()]), ResultBatch([make.outcome()])])
async def test_a_slot_whose_turn_has_not_come_is_not_overdue(plan, monkeypatch, job):
    repairs = Reconciler()
    await repairs.rebuild()
    await due_set.put_series([plan], first_at_ms=clock.now_ms())
    await due_set.claim_due(10)
    await queue.client().zadd("wk:flight", {str(plan.series): clock.now_ms() - 1})
    await queue.client().delete(f"{queue.NAMESPACE}:ingest")
    with monkeypatch.context() as patched:
        patched.setattr(clock, "now_ms", lambda real=clock.now_ms: real() - 30_000)  # it waits for half a minute
        await queue.put(job)
    before = await jobs_of(CheckBatch), await jobs_of(ResultBatch)
    await repairs.requeue_overdue()
    assert (await jobs_of(CheckBatch), await jobs_of(ResultBatch)) == before


async def test_the_sweep_queues_unsent_deliveries_once(plan):
    channel = await channels.create(make.channel())
    await db.rows("INSERT INTO monitor_channels (monitor_id, channel_id) SELECT id, ?1 FROM monitors", channel.id)
    snapshots = {one.series: one for one in await series.list_snapshots([plan.series])}
    await results.store_results(make.results(make.down(series=plan.series)), snapshots, make.NOW_MS)
    await db.rows("UPDATE deliveries SET next_attempt_ms = ?1", clock.now_ms() - 60_000)
    repairs = Reconciler()
    await repairs.sweep_deliveries()
    await repairs.sweep_deliveries()
    assert [list(map(len, job.deliveries.values())) for job in await jobs_of(NotifyBatch)] == [[1]]
    assert RESWEEP_S > 0


async def test_an_emptied_redis_costs_no_delivery(plan):
    channel = await channels.create(make.channel())
    await db.rows("INSERT INTO monitor_channels (monitor_id, channel_id) SELECT id, ?1 FROM monitors", channel.id)
    snapshots = {one.series: one for one in await series.list_snapshots([plan.series])}
    stored = await results.store_results(
        make.results(make.down(series=plan.series)), snapshots, clock.now_ms() - 60_000
    )
    await queue.put(*queue.notify_jobs(stored.deliveries))
    await queue.client().flushall()
    await Reconciler().sweep_deliveries()
    assert [job.deliveries for job in await jobs_of(NotifyBatch)] == [stored.deliveries]
    assert REGISTRY.get_sample_value("watchkeeper_deliveries_open") == 1
    assert 60 <= (REGISTRY.get_sample_value("watchkeeper_delivery_oldest_age_seconds") or 0) < 600


async def test_channels_with_open_circuits_and_disabled_channels_are_counted(plan):
    for columns in ("circuit_open_until_ms = ?1", "disabled_ms = ?1"):
        channel = await channels.create(make.channel())
        await db.rows(f"UPDATE channels SET {columns} WHERE id = ?2", clock.now_ms() + 60_000, channel.id)
    await Reconciler().sweep_deliveries()
    assert REGISTRY.get_sample_value("watchkeeper_channels_circuit_open") == 1
    assert REGISTRY.get_sample_value("watchkeeper_channels_disabled") == 1


@pytest.fixture
async def nightly(store, queue) -> MonitorSchedule:
    """One monitor that was to be checked every night at three, for a week."""
    sealing.prepare(store)
    changed = await monitors.create(make.monitor(cron="0 3 * * *", timezone="Europe/Berlin"))
    await db.rows("UPDATE schedule_periods SET from_ms = from_ms - 7 * 86400000")
    return changed.schedules[0]


async def test_missed_cron_slots_are_a_gap_up_to_the_next_slot(nightly):
    await Reconciler().rebuild()
    (gap,) = await due_set.list_gaps()
    upcoming = slots.next_due(nightly.series, nightly, clock.now_ms())
    assert (gap.to_ms + 1, await due_set.oldest_due_ms()) == (upcoming, upcoming)
    assert len(list(slots.due_between(nightly.series, nightly, gap.from_ms, gap.to_ms))) == 7
    assert not due_set.has_changed(nightly, (await due_set.list_scheduled())[nightly.series])


async def test_a_cron_series_that_fell_out_of_the_due_set_is_put_back(nightly):
    await Reconciler().rebuild()
    await queue.client().zrem(f"wk:due:{nightly.series % due_set.PARTITIONS}", str(nightly.series))
    await Reconciler().reconcile()
    assert await due_set.oldest_due_ms() == slots.next_due(nightly.series, nightly, clock.now_ms())


async def test_a_monitor_on_demand_is_never_in_the_due_set(store, queue):
    sealing.prepare(store)
    changed = await monitors.create(make.monitor(interval=None))
    await Reconciler().rebuild()
    assert (changed.schedules, await due_set.list_scheduled(), await due_set.list_gaps()) == ([], {}, [])


async def test_a_push_monitor_is_checked_when_the_due_set_was_lost(store, queue):
    sealing.prepare(store)
    await monitors.create(make.monitor(Push(), interval=86_400))
    await Reconciler().rebuild()
    assert 0 < await due_set.oldest_due_ms() <= clock.now_ms()
    assert [slot.early for slot in (await due_set.claim_due(10)).slots] == [True]


async def test_a_push_between_slots_covers_no_slot(plan):
    await checked(plan, slot_before(plan, 5))
    pushed = make.outcome(series=plan.series, at_ms=slot_before(plan, 2) + 1_000, early=True)
    snapshots = {one.series: one for one in await series.list_snapshots([plan.series])}
    await results.store_results(make.results(pushed), snapshots, clock.now_ms())
    await Reconciler().rebuild()
    (gap,) = await due_set.list_gaps()
    assert gap.from_ms == slot_before(plan, 4)


async def test_an_unacknowledged_incident_escalates_to_the_next_step(plan):
    channel = await channels.create(make.channel())
    steps = [EscalationStep(after=10, channel_ids=[channel.id])]
    escalation = await escalation_policies.create(EscalationDraft(name="on call", steps=steps))
    (snapshot,) = await series.list_snapshots([plan.series])
    await monitors.update(snapshot.monitor_id, MonitorPatch(escalation_id=escalation.id))
    snapshots = {one.series: one for one in await series.list_snapshots([plan.series])}
    now_ms = clock.now_ms()
    await results.store_results(make.results(make.down(series=plan.series, at_ms=now_ms)), snapshots, now_ms - 10_000)
    for _ in range(2):
        await Reconciler().escalate()
    assert [list(job.deliveries) for job in await jobs_of(NotifyBatch)] == [[channel.id]]


@pytest.mark.parametrize("ahead_ms", [120_000, 3_600_000, 30 * 86_400_000])
async def test_a_clock_that_was_ahead_does_not_delay_checks(plan, ahead_ms):
    repairs = Reconciler()
    await repairs.rebuild()
    await due_set.claim_due(10, at_ms=clock.now_ms() + ahead_ms)
    await repairs.reconcile()
    await repairs.requeue_overdue()
    assert await due_set.oldest_due_ms() <= clock.now_ms() + due_set.HELD_RECHECK_MS
    assert "future" in repairs.clock_repairs.problem()
