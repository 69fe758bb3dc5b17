"""How silence is told from news."""

import dataclasses

import pytest

from actors.probes import outcome_of
from actors.probes.push import PUSHED_KEY, allowed_ms
from app import db, queue as queues
from app.store import heartbeats, monitors
from schema.jobs import Outcome, ResultBatch
from schema.messages import PUSHED, REPORTED
from schema.status import Status
from schema.targets import Push
from tests import make

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN
SLOT_MS = make.NOW_MS
GRACE_MS = 6_000


async def at_slot(tools, **changes):
    """The outcome of the due slot of a monitor that reports every minute."""
    return await outcome_of(make.slot(at_ms=SLOT_MS), make.snapshot(Push(), **changes), tools)


async def report(ms, series=1):
    await queues.client().hset(PUSHED_KEY, str(series), str(ms))


@pytest.mark.parametrize(("interval_ms", "most_ms"), [(5_000, 7_000), (20_000, 22_000), (60_000, 66_000)])
def test_a_report_may_be_a_tenth_late_and_always_two_seconds(interval_ms, most_ms):
    assert allowed_ms(interval_ms) == most_ms


@pytest.mark.parametrize(
    ("age_ms", "seen", "message"),
    [
        (0, UP, ""),
        (make.MINUTE_MS + GRACE_MS, UP, ""),
        (make.MINUTE_MS + GRACE_MS + 1, DOWN, "no push within 60 s"),
        (-500, UP, ""),  # the slot is checked a little late
    ],
)
async def test_a_report_in_time_is_up_and_silence_is_down(store, queue, tools, age_ms, seen, message):
    await report(SLOT_MS - age_ms)
    outcome = await at_slot(tools)
    assert (outcome.seen, outcome.message) == (seen, message)
    assert outcome.code == (REPORTED if seen is UP else 0)


async def test_a_report_of_trouble_stays_trouble_until_the_next(store, queue, tools):
    await report(-(SLOT_MS - 1_000))
    outcome = await at_slot(tools)
    assert (outcome.seen, outcome.message) == (DOWN, "the last push said down")


async def test_a_new_monitor_is_given_an_interval(store, queue, tools):
    young = await at_slot(tools, created_ms=SLOT_MS - make.MINUTE_MS)
    old = await at_slot(tools, created_ms=SLOT_MS - 2 * make.MINUTE_MS)
    assert (young.seen, young.message) == (UNKNOWN, "waiting for the first push")
    assert old.seen is DOWN


async def test_what_redis_has_lost_the_record_still_knows(store, queue, tools):
    await monitors.add(make.monitor(Push()))
    (snapshot,) = await monitors.snapshots([1])
    pushed = Outcome(1, 1, SLOT_MS - 1_000, UP, code=PUSHED, early=True)
    await heartbeats.absorb(ResultBatch([pushed]), {1: snapshot}, SLOT_MS)
    assert (await at_slot(tools)).seen is UP
    assert (await at_slot(tools, series=2)).seen is DOWN


async def test_without_redis_the_record_decides(store, settings, tools):
    gone = dataclasses.replace(settings, redis_url="unix:///nowhere/valkey.sock")
    await queues.start(gone)
    outcome = await at_slot(tools)
    assert (outcome.seen, outcome.message) == (DOWN, "no push within 60 s")
    await queues.stop()


async def test_without_either_silence_proves_nothing(settings, queue, tools, tmp_path):
    await db.start(dataclasses.replace(settings, db_type="sqlite", db_path=str(tmp_path / "no tables")))
    outcome = await at_slot(tools)
    await db.stop()
    assert (outcome.seen, outcome.message) == (UNKNOWN, "our own database does not answer")
