"""Deliveries are claimed by lease, settled once, and go out in order per monitor and channel."""

import pytest

from app import db
from app.security import sealing
from app.store import channels, deliveries, heartbeats, monitors, series
from app.store.deliveries import LEASE_MS, PROMPT_MS, Settled
from tests import make

NOW = make.NOW_MS
STEP = make.MINUTE_MS


@pytest.fixture
async def owed(store) -> list[str]:
    """A monitor went down and came back: two deliveries to one channel, oldest first."""
    sealing.prepare(store)
    channel = await channels.add(make.channel())
    changed = await monitors.add(make.monitor(notification_channel_ids=[channel.id]))
    known = {one.series: one for one in await series.snapshots([changed.plans[0].series])}
    (no,) = known
    ids = []
    for outcome in (make.down(series=no, at_ms=NOW - STEP), make.outcome(series=no, at_ms=NOW)):
        ids += (await heartbeats.absorb(make.results(outcome), known, NOW)).deliveries[channel.id]
    return ids


async def state(id_: str) -> tuple[str, int, str]:
    (row,) = await db.rows("SELECT state, attempts, error FROM deliveries WHERE id = ?1", id_)
    return row["state"], row["attempts"], row["error"]


async def claimed(ids: list[str], now_ms: int = NOW) -> list[str]:
    return [one.id for one in await deliveries.claim(ids, now_ms)]


async def test_the_recovery_waits_for_the_outage_to_be_told(owed):
    down, up = owed
    assert await claimed(owed) == [down]
    freed = await deliveries.settle([Settled(down, 1, "sent")], NOW)
    assert list(freed.values()) == [[up]]
    assert await claimed([up]) == [up]


async def test_the_recovery_goes_out_when_the_outage_never_could(owed):
    down, up = owed
    await claimed([down])
    freed = await deliveries.settle([Settled(down, 1, "dead", "no such address")], NOW)
    assert list(freed.values()) == [[up]]
    assert await state(down) == ("dead", 1, "no such address")


async def test_a_failed_try_rests_until_its_time(owed):
    down, _ = owed
    await claimed([down])
    await deliveries.settle([Settled(down, 1, "pending", "answered 500", NOW + 10_000)], NOW)
    assert await claimed([down], NOW + 9_999) == []
    assert await claimed([down], NOW + 10_000) == [down]


async def test_what_a_slow_worker_settles_after_losing_its_claim_changes_nothing(owed):
    down, _ = owed
    await claimed([down])
    assert await claimed([down], NOW + LEASE_MS) == [down]
    await deliveries.settle([Settled(down, 1, "dead", "too late")], NOW)
    assert (await state(down))[:2] == ("sending", 2)
    await deliveries.settle([Settled(down, 2, "sent")], NOW)
    assert (await state(down))[0] == "sent"


async def test_settling_twice_is_settling_once(owed):
    down, _ = owed
    await claimed([down])
    await deliveries.settle([Settled(down, 1, "sent")], NOW)
    await deliveries.settle([Settled(down, 1, "dead", "again")], NOW)
    assert await state(down) == ("sent", 1, "")


async def test_the_sweeper_leaves_a_new_delivery_to_its_job_for_a_moment(owed):
    down, _ = owed
    assert await deliveries.due(NOW) == {}
    assert list((await deliveries.due(NOW + PROMPT_MS)).values()) == [[down]]


async def test_the_sweeper_finds_what_a_killed_worker_had_claimed(owed):
    down, _ = owed
    await claimed([down])
    assert await deliveries.due(NOW + LEASE_MS - 1) == {}
    assert list((await deliveries.due(NOW + LEASE_MS)).values()) == [[down]]


async def test_the_sweeper_finds_nothing_behind_an_elder_and_nothing_that_is_done(owed):
    down, up = owed
    await claimed([down])
    await deliveries.settle([Settled(down, 1, "sent")], NOW)
    await claimed([up])
    await deliveries.settle([Settled(up, 1, "dead", "gone")], NOW)
    assert await deliveries.due(NOW + 10 * LEASE_MS) == {}
    assert await deliveries.open_count() == 0


async def test_a_claim_brings_the_event_along(owed):
    (one,) = await deliveries.claim(owed, NOW)
    assert one.event.data["monitor"]["name"] == "web"
    assert (one.attempts, one.created_ms) == (1, NOW)
