"""What opens at a paging service ends there: through the store, the notify stage and the real sender."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import time_machine

from actors import senders
from actors.notify import Notifier
from app.clock import now_ms
from app.security.secrets import sealing
from app.store.alerting import channels, expiry_notices
from app.store.incidents import incidents
from app.store.monitoring import series
from app.store.transactions import monitors, results
from schema.channels import ChannelConfig, Pagerduty, Pushover
from schema.events import EventKind
from schema.jobs import ExpiringItem, NotifyBatch
from schema.monitors import Snapshot
from schema.status import Status
from tests import make
from tests.receiver import Order, Receiver, receiving

DAY_MS = 86_400_000
ROUTING_KEY = "k" * 32


class Watch:
    """A monitor, and channels at a provider."""

    def __init__(self, notifier: Notifier, provider: Receiver, clock: Any) -> None:
        self._notifier, self._provider, self._clock = notifier, provider, clock
        self.monitor_id = ""
        self.incident_id = ""
        self._known: dict[int, Snapshot] = {}

    async def starts(self, config: Callable[[str], ChannelConfig], *events: str) -> None:
        """Without events: the default ones."""
        chosen = {"events": list(events)} if events else {}
        channel = await channels.create(make.channel(config(self._provider.url), **chosen))
        changed = await monitors.create(make.monitor(notification_channel_ids=[channel.id]))
        self.monitor_id = changed.monitor.id
        self._known = {one.series: one for one in await series.list_snapshots([changed.schedules[0].series])}

    async def sees(self, status: Status, **changes: Any) -> None:
        """A check brings this status."""
        (no,) = self._known
        self._clock.shift(60)
        outcome = make.outcome(series=no, at_ms=now_ms(), status=status, **changes)
        stored = await results.store_results(make.results(outcome), self._known, now_ms())
        self.incident_id = next(
            (one.data["incident"]["id"] for one in stored.events if "incident" in one.data), self.incident_id
        )
        await self.deliver(stored.deliveries)

    async def deliver(self, deliveries: dict[str, list[str]]) -> None:
        await self._notifier.admit(NotifyBatch(deliveries))
        await self._notifier.drained()

    def requests(self) -> list[tuple[str, Any]]:
        return [(one.path, json.loads(one.body)) for one in self._provider.arrivals]

    def alarms(self) -> list[tuple[str, str]]:
        """PagerDuty's actions, each with its key without our prefix and the monitor's id."""
        return [
            (body["event_action"], body["dedup_key"].removeprefix("watchkeeper-").removeprefix(f"{self.monitor_id}-"))
            for path, body in self.requests()
            if path == "/v2/enqueue"
        ]


@pytest.fixture
async def watch(store, queue) -> AsyncIterator[Watch]:
    sealing.prepare(store)
    expiry_notices.clear_cache()
    context = senders.make_context()
    notifier = Notifier(context, "https://watch.example")
    with time_machine.travel(make.NOW_MS / 1000, tick=False) as clock:
        async with receiving() as provider:
            provider.answer(Order(status=202))
            yield Watch(notifier, provider, clock)
    await notifier.close(5)
    await context.close()


def pagerduty(url: str) -> Pagerduty:
    return Pagerduty(routing_key=ROUTING_KEY, server_url=url)


def pushover(url: str) -> Pushover:
    return Pushover(user_key="user", app_token="app", priority=2, server_url=url)


@pytest.mark.parametrize("events", [["monitor.*"], ["monitor.down", "monitor.up", "monitor.degraded"]])
async def test_each_degradation_is_an_alarm_with_an_end(watch, events):
    await watch.starts(pagerduty, *events)
    for status in (Status.UP, Status.DEGRADED, Status.UP, Status.DEGRADED, Status.DOWN, Status.UP):
        await watch.sees(status)
    incident = watch.incident_id
    assert sorted(watch.alarms()[3:5]) == sorted([("resolve", "degraded"), ("trigger", incident)])
    assert [*watch.alarms()[:3], *watch.alarms()[5:]] == [
        ("trigger", "degraded"),
        ("resolve", "degraded"),
        ("trigger", "degraded"),
        ("resolve", incident),
    ]


async def paused(watch: Watch) -> None:
    await watch.deliver((await monitors.set_active(watch.monitor_id, active=False)).deliveries)


async def deleted(watch: Watch) -> None:
    await watch.deliver((await monitors.delete(watch.monitor_id)).deliveries)


async def reset(watch: Watch) -> None:
    await watch.deliver((await monitors.reset_history(watch.monitor_id)).deliveries)


@pytest.mark.parametrize("change", [paused, deleted, reset])
@pytest.mark.parametrize(("status", "what"), [(Status.DEGRADED, "degraded"), (Status.UNKNOWN, "unknown")])
async def test_an_alarm_ends_with_the_watch(watch, change: Callable[[Watch], Awaitable[None]], status, what):
    await watch.starts(pagerduty, "monitor.degraded", "monitor.unknown")
    await watch.sees(Status.UP)
    await watch.sees(status)
    await change(watch)
    assert watch.alarms() == [("trigger", what), ("resolve", what)]


async def test_each_certificate_is_an_alarm_that_its_renewal_ends(watch):
    await watch.starts(pagerduty, "certificate.*")
    first, second = (
        ExpiringItem("certificate", name, "CN=shop", "CN=CA", make.NOW_MS + days * DAY_MS)
        for name, days in (("aaaa", 5), ("bbbb", 25))
    )
    await watch.sees(Status.UP, expiring=first)
    await watch.sees(Status.UP, expiring=second)
    await watch.sees(Status.UP)
    assert watch.alarms()[0] == ("trigger", "certificate-aaaa")
    assert sorted(watch.alarms()[1:3]) == [("resolve", "certificate-aaaa"), ("trigger", "certificate-bbbb")]
    assert watch.alarms()[3:] == [("resolve", "certificate-bbbb")]


async def test_an_emergency_stops_ringing_though_its_channel_subscribes_to_outages_only(watch):
    await watch.starts(pushover, "monitor.down")
    await watch.sees(Status.DOWN)
    await watch.deliver((await incidents.acknowledge(watch.incident_id, "ann")).deliveries)
    await watch.sees(Status.UP)
    (sent, body), *others = watch.requests()
    assert (sent, body["tags"]) == ("/1/messages.json", f"watchkeeper-{watch.incident_id}")
    assert others == [(f"/1/receipts/cancel_by_tag/watchkeeper-{watch.incident_id}.json", {"token": "app"})] * 2


async def test_people_who_did_not_ask_hear_nothing_of_these_ends(watch):
    await watch.starts(lambda url: make.webhook(url=url))
    item = ExpiringItem("certificate", "aaaa", "CN=shop", "CN=CA", make.NOW_MS + 5 * DAY_MS)
    await watch.sees(Status.DEGRADED, expiring=item)
    await watch.sees(Status.UP)
    assert [body["event"] for _, body in watch.requests()] == [EventKind.CERTIFICATE_EXPIRING]
