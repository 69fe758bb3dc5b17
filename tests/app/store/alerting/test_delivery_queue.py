"""Deliveries are claimed by lease, settled once, and go out in order per monitor and channel."""

import pytest

from app import db
from app.security.secrets import sealing
from app.store.alerting import delivery_claims, delivery_queue
from app.store.alerting.delivery_claims import LEASE_MS
from app.store.alerting.delivery_queue import SWEEP_GRACE_MS
from app.store.alerting.delivery_results import AttemptResult
from tests import make
from tests.app.store.channel_setup import NOW, ChannelSetup, channel_setup, claimed, settled, state


@pytest.fixture
async def setup(store) -> ChannelSetup:
    sealing.prepare(store)
    return await channel_setup()


async def test_the_recovery_waits_for_the_outage_that_is_being_sent(setup):
    down = await setup.down()
    assert await claimed([down]) == [down]
    up = await setup.up()
    assert await claimed([up]) == []
    freed = await settled(AttemptResult(down, 1, "sent"))
    assert list(freed.values()) == [[up]]
    assert await claimed([up]) == [up]


async def test_the_recovery_goes_out_when_the_outage_never_could(setup):
    down = await setup.down()
    await claimed([down])
    up = await setup.up()
    freed = await settled(AttemptResult(down, 1, "dead", "no such address"))
    assert list(freed.values()) == [[up]]
    assert await state(down) == ("dead", 1, "no such address")


async def test_a_failed_attempt_waits_for_its_backoff(setup):
    down = await setup.down()
    await claimed([down])
    await settled(AttemptResult(down, 1, "pending", "answered 500", NOW + 10_000))
    assert await claimed([down], NOW + 9_999) == []
    assert await claimed([down], NOW + 10_000) == [down]


async def test_a_slow_worker_without_its_claim_changes_nothing(setup):
    down = await setup.down()
    await claimed([down])
    assert await claimed([down], NOW + LEASE_MS) == [down]
    await settled(AttemptResult(down, 1, "dead", "too late"))
    assert (await state(down))[:2] == ("sending", 2)
    await settled(AttemptResult(down, 2, "sent"))
    assert (await state(down))[0] == "sent"
    assert [row["attempt"] for row in await db.rows("SELECT attempt FROM delivery_attempts")] == [2]


async def test_settling_twice_is_settling_once(setup):
    down = await setup.down()
    await claimed([down])
    await settled(AttemptResult(down, 1, "sent"))
    await settled(AttemptResult(down, 1, "dead", "again"))
    assert await state(down) == ("sent", 1, "")


async def test_every_try_is_kept_with_its_time_and_its_reason(setup):
    down = await setup.down()
    await claimed([down])
    await settled(AttemptResult(down, 1, "pending", "answered 500", NOW, at_ms=NOW - 40, took_ms=40))
    await claimed([down])
    await settled(AttemptResult(down, 2, "sent", at_ms=NOW, took_ms=12))
    rows = await db.rows("SELECT attempt, at_ms, took_ms, state, error FROM delivery_attempts ORDER BY attempt")
    assert [tuple(dict(row).values()) for row in rows] == [
        (1, NOW - 40, 40, "pending", "answered 500"),
        (2, NOW, 12, "sent", ""),
    ]


async def test_the_sweeper_leaves_a_new_delivery_to_its_job_for_a_moment(setup):
    down = await setup.down(at_ms=NOW)
    assert await delivery_queue.due_deliveries(NOW) == {}
    assert list((await delivery_queue.due_deliveries(NOW + SWEEP_GRACE_MS)).values()) == [[down]]


async def test_the_sweeper_finds_what_a_killed_worker_had_claimed(setup):
    down = await setup.down()
    await claimed([down])
    assert await delivery_queue.due_deliveries(NOW + LEASE_MS - 1) == {}
    assert list((await delivery_queue.due_deliveries(NOW + LEASE_MS)).values()) == [[down]]


async def test_the_sweeper_finds_nothing_behind_an_elder_and_nothing_that_is_done(setup):
    down = await setup.down()
    await claimed([down])
    up = await setup.up()
    assert await delivery_queue.due_deliveries(NOW + SWEEP_GRACE_MS) == {}
    await settled(AttemptResult(down, 1, "sent"))
    await claimed([up])
    await settled(AttemptResult(up, 1, "dead", "gone"))
    assert await delivery_queue.due_deliveries(NOW + 10 * LEASE_MS) == {}
    assert (await delivery_queue.backlog()).count == 0


async def test_the_backlog_has_the_age_of_the_oldest(setup):
    await setup.down(at_ms=NOW)
    await setup.up(at_ms=NOW + make.MINUTE_MS)
    assert await delivery_queue.backlog() == delivery_queue.Backlog(2, NOW)


async def test_a_claim_brings_the_event_along(setup):
    down = await setup.down(at_ms=NOW)
    (one,) = await delivery_claims.claim([down], NOW)
    assert one.event.data["monitor"]["name"] == "web 0"
    assert (one.attempts, one.created_ms) == (1, NOW)
