"""Push monitors: reports in time, late reports and missing ones."""

import dataclasses

import pytest

from actors.probes import run_probe
from app import db, queue as queues
from app.domain.schedule.cron import last_cron
from app.store.transactions import monitors, results
from schema.heartbeat_texts import PUSHED, REPORTED, STARTED
from schema.jobs import PUSHED_KEY, STARTED_KEY, CheckOutcome, ResultBatch
from schema.status import Status
from schema.targets import Push
from tests import make

UP, DOWN, PENDING, UNKNOWN = Status.UP, Status.DOWN, Status.PENDING, Status.UNKNOWN
SLOT_MS = make.NOW_MS
GRACE_MS = 6_000


async def at_slot(context, target=None, **changes):
    """The outcome of the due slot of a monitor that reports every minute."""
    return await run_probe(make.slot(at_ms=SLOT_MS), make.snapshot(target or Push(), **changes), context)


async def report(ms, series=1):
    await queues.client().hset(PUSHED_KEY, str(series), str(ms))


@pytest.mark.parametrize(
    ("age_ms", "expected_status", "message"),
    [
        (0, UP, ""),
        (make.MINUTE_MS + GRACE_MS, UP, ""),
        (make.MINUTE_MS + GRACE_MS + 1, DOWN, "no push within 60 s"),
        (-500, UP, ""),  # the slot is checked a little late
    ],
)
async def test_a_report_in_time_is_up_and_silence_is_down(store, queue, context, age_ms, expected_status, message):
    await report(SLOT_MS - age_ms)
    outcome = await at_slot(context)
    assert (outcome.status, outcome.message) == (expected_status, message)
    assert outcome.code == (REPORTED if expected_status is UP else 0)


async def test_a_report_of_trouble_stays_trouble_until_the_next(store, queue, context):
    await report(-(SLOT_MS - 1_000))
    outcome = await at_slot(context)
    assert (outcome.status, outcome.message) == (DOWN, "the last push reported down")


async def test_a_new_monitor_is_unknown_for_its_first_interval(store, queue, context):
    young = await at_slot(context, created_ms=SLOT_MS - make.MINUTE_MS)
    old = await at_slot(context, created_ms=SLOT_MS - 2 * make.MINUTE_MS)
    assert (young.status, young.message) == (UNKNOWN, "waiting for the first push")
    assert old.status is DOWN


async def test_a_report_lost_in_redis_is_read_from_the_database(store, queue, context):
    await monitors.create(make.monitor(Push()))
    (snapshot,) = await monitors.list_snapshots([1])
    pushed = CheckOutcome(1, 1, SLOT_MS - 1_000, UP, code=PUSHED, early=True)
    await results.store_results(ResultBatch([pushed]), {1: snapshot}, SLOT_MS)
    assert (await at_slot(context)).status is UP
    assert (await at_slot(context, series=2)).status is DOWN


async def test_without_redis_the_record_decides(store, settings, context):
    gone = dataclasses.replace(settings, redis_url="unix:///nowhere/valkey.sock")
    await queues.start(gone)
    outcome = await at_slot(context)
    assert (outcome.status, outcome.message) == (DOWN, "no push within 60 s")
    await queues.stop()


async def test_without_the_database_silence_is_unknown(settings, queue, context, tmp_path):
    await db.start(dataclasses.replace(settings, db_type="sqlite", db_path=str(tmp_path / "no tables")))
    outcome = await at_slot(context)
    await db.stop()
    assert (outcome.status, outcome.message) == (UNKNOWN, "our own database does not answer")


@pytest.mark.parametrize(("age_s", "expected_status"), [(3_600, UP), (3_900, PENDING), (4_200, PENDING), (4_201, DOWN)])
async def test_within_its_grace_a_report_is_late(store, queue, context, age_s, expected_status):
    await report(SLOT_MS - age_s * 1000)
    outcome = await at_slot(context, target=Push(grace=600), interval_ms=3_600_000)
    assert outcome.status is expected_status
    assert (outcome.recheck_ms > SLOT_MS) == (expected_status is not DOWN)


async def test_a_run_that_does_not_end_is_noticed_after_its_grace(store, queue, context):
    await report(SLOT_MS - 700_000)
    await queues.client().hset(STARTED_KEY, "1", str(SLOT_MS - 600_001))
    outcome = await at_slot(context, target=Push(grace=600), interval_ms=3_600_000)
    assert (outcome.status, outcome.message) == (DOWN, "started, but did not finish within 600 s")


async def test_a_start_lost_in_redis_is_read_from_the_database(store, queue, context):
    await monitors.create(make.monitor(Push()))
    (snapshot,) = await monitors.list_snapshots([1])
    start = CheckOutcome(1, 1, SLOT_MS - 601_000, UNKNOWN, code=STARTED, early=True)
    report_before = CheckOutcome(1, 1, SLOT_MS - 700_000, UP, code=PUSHED, early=True)
    await results.store_results(ResultBatch([report_before, start]), {1: snapshot}, SLOT_MS)
    outcome = await at_slot(context, target=Push(grace=600), interval_ms=3_600_000)
    assert (outcome.status, outcome.message) == (DOWN, "started, but did not finish within 600 s")


async def test_a_cron_report_is_expected_at_its_minute(store, queue, context):
    cron = {"cron": "0 * * * *", "interval_ms": 0, "target": Push(grace=600)}
    hour = last_cron("0 * * * *", "UTC", SLOT_MS) or 0
    late_by = SLOT_MS - hour
    await report(hour - 1_000_000)
    assert (await at_slot(context, **cron)).status is (PENDING if late_by <= 600_000 else DOWN)
    await report(hour - 1_000)  # a clock that is a second ahead
    assert (await at_slot(context, **cron)).status is UP
