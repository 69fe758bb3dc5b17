"""A channel that fails for an hour, in every way: others are unaffected, and afterwards it gets each event once."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import time_machine

from actors import senders
from actors.notify import Notifier
from app import db
from app.clock import now_ms
from app.security.secrets import sealing
from app.store.alerting import channel_health, channels, delivery_queue
from app.store.monitoring import series
from app.store.transactions import monitors, results
from schema.channels import Discord
from schema.jobs import NotifyBatch
from schema.monitors import Snapshot
from tests import make
from tests.receiver import Order, Receiver, receiving

HOUR_S, DAY_S = 3_600, 86_400
AWAY = {
    "500": Order(status=500),
    "hang": Order(hang=True),
    "429": Order(status=429, headers={"Retry-After": "120"}),
    "refused": None,
}


class Hour:
    """Time goes on in steps; in each of them the sweeper's finds are worked off."""

    def __init__(self, notifier: Notifier, clock: Any, snapshots: dict[int, Snapshot]) -> None:
        self._notifier, self._clock, self._known = notifier, clock, snapshots

    async def passes(self, seconds: int = HOUR_S, step_s: int = 20) -> None:
        """That much of it."""
        for _ in range(0, seconds, step_s):
            self._clock.shift(step_s)
            await self._work_off(await delivery_queue.due_deliveries(now_ms()))

    async def changes(self, outcome: Any) -> None:
        """Change the monitor's status and notify the channels."""
        (no,) = self._known
        made = outcome(series=no, at_ms=now_ms())
        stored = await results.store_results(make.results(made), self._known, now_ms())
        await self._work_off(stored.deliveries)

    async def _work_off(self, waiting: dict[str, list[str]]) -> None:
        await self._notifier.admit(NotifyBatch(waiting))
        await self._notifier.drained()


@pytest.fixture
async def clock(store, queue) -> AsyncIterator[Any]:
    with time_machine.travel(datetime(2026, 11, 22, 8, tzinfo=UTC), tick=False) as found:
        yield found


@pytest.fixture
async def well() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def hour(store, clock, well, free_port) -> AsyncIterator[Hour]:
    """A monitor with two channels: one works, the other is at the free port."""
    sealing.prepare(store)
    hooks = [make.webhook(url=url) for url in (well.url, f"http://127.0.0.1:{free_port}")]
    ids = [(await channels.create(make.channel(hook))).id for hook in hooks]
    changed = await monitors.create(make.monitor(notification_channel_ids=ids))
    snapshots = {one.series: one for one in await series.list_snapshots([changed.schedules[0].series])}
    context = senders.make_context()
    notifier = Notifier(context, "https://watch.example", timeout_s=0.2)
    yield Hour(notifier, clock, snapshots)
    await notifier.close(5)
    await context.close()


def monitor_events(receiver: Receiver) -> list[str]:
    """The monitor's events it received; without those about the failing channel."""
    return [kind for kind in received_events(receiver) if kind.startswith("monitor.")]


def received_events(receiver: Receiver) -> list[str]:
    """Events that it took."""
    return [msgspec.json.decode(one.body)["event"] for one in receiver.arrivals if one.answered == 200]


async def rows(condition: str) -> list[Any]:
    found: list[Any] = await db.rows(f"SELECT * FROM deliveries WHERE {condition} ORDER BY at_ms")
    return found


@pytest.mark.parametrize("how", AWAY)
async def test_after_an_hour_away_a_channel_gets_each_event_once(hour, well, free_port, how):
    async with AsyncExitStack() as stack:
        if order := AWAY[how]:
            sick = await stack.enter_async_context(receiving(port=free_port))
            sick.answer(order)
        await hour.changes(make.down)
        assert monitor_events(well) == ["monitor.down"]  # at once, whatever the other does
        await hour.passes()
        assert (await channel_health.count_unhealthy(now_ms())).circuit_open + len(await rows("state = 'pending'")) > 0
        if order:
            assert len(sick.arrivals) < 40  # it was left alone in between
            sick.answer()
        else:
            sick = await stack.enter_async_context(receiving(port=free_port))
        await hour.passes(1_200)
        assert monitor_events(sick) == monitor_events(well) == ["monitor.down"]
        assert set(sick.accepted().values()) == {1}
        tries = await db.rows("SELECT state, error FROM delivery_attempts")
        assert len(tries) > 2
        assert all(one["error"] for one in tries if one["state"] == "pending")


@pytest.mark.parametrize("how", AWAY)
async def test_an_outage_that_ends_meanwhile_is_one_message(hour, well, free_port, how):
    async with AsyncExitStack() as stack:
        if order := AWAY[how]:
            sick = await stack.enter_async_context(receiving(port=free_port))
            sick.answer(order)
        await hour.changes(make.down)
        await hour.passes(1_200)
        await hour.changes(make.outcome)
        await hour.passes(1_200)
        assert monitor_events(well) == ["monitor.down", "monitor.up"]
        if order:
            sick.answer()
        else:
            sick = await stack.enter_async_context(receiving(port=free_port))
        await hour.passes(1_200)
        assert monitor_events(sick) == ["monitor.up"]
        assert [one["reason_code"] for one in await rows("state = 'suppressed'")] == ["collapsed_into_recovery"]


async def test_a_channel_that_always_fails_leaves_dead_letters_with_a_reason(hour, well, free_port):
    await hour.changes(make.down)
    await hour.passes(DAY_S + 2 * HOUR_S, step_s=600)
    (dead,) = await rows("state = 'dead'")
    assert dead["error"].startswith("gave up after 24 h: no connection")
    assert received_events(well) == ["monitor.down", "system.channel_failing"]


async def test_a_wait_in_milliseconds_does_not_silence_discord(hour, well):
    limited = Order(
        status=429,
        headers={"Retry-After": "1500"},
        body='{"message":"You are being rate limited.","retry_after":1500,"global":false}',
        times=1,
    )
    async with receiving() as discord:
        discord.answer(limited)
        config = Discord(webhook_url=f"{discord.url}/api/webhooks/42/token")
        await channels.create(make.channel(config, all_monitors=True))
        await hour.changes(make.down)
        await hour.passes(6, step_s=2)
        assert [one.answered for one in discord.arrivals] == [429, 200]
        assert {one.path for one in discord.arrivals} == {"/api/v10/webhooks/42/token?wait=true"}
        await hour.changes(make.outcome)
        assert [one.answered for one in discord.arrivals] == [429, 200, 200]  # nothing waits for a long time
