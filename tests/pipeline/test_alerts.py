"""Suppression, digests and escalation, through scheduler and worker as processes."""

import asyncio
import re
from collections import Counter
from typing import Any

import msgspec
import pytest

from app import clock, db, due_set
from app.store.alerting import channels
from app.store.incidents import escalation_policies, incidents
from app.store.transactions import monitors
from schema.channels import Ntfy
from schema.channels.rules import Grouping
from schema.escalations import EscalationDraft, EscalationStep
from schema.jobs import MonitorSchedule
from schema.status import Status
from tests import make
from tests.pipeline.target import watched
from tests.pipeline.waiting import beats, until
from tests.receiver import Receiver, receiving

pytestmark = [pytest.mark.timeout(150)]


async def channel(receiver: Receiver, **rules: Any) -> str:
    """A channel that sends to the receiver."""
    return (await channels.create(make.channel(make.webhook(url=receiver.url), **rules))).id


async def watch(url: str, channel_id: str, name: str = "web", **changes: Any) -> str:
    """A monitor every five seconds, checked at once."""
    links = changes.pop("links", [channel_id])
    draft = make.monitor(
        make.http(url=url), name=name, interval=5, timeout=2.0, notification_channel_ids=links, **changes
    )
    changed = await monitors.create(draft)
    await due_set.mark_built()
    await look(changed.schedules[0])
    return changed.monitor.id


async def look(plan: MonitorSchedule) -> None:
    """Have it checked now."""
    await due_set.put_series([plan], first_at_ms=clock.now_ms())


def received_events(receiver: Receiver) -> list[tuple[str, str]]:
    """(event, monitor) of each message."""
    bodies = [msgspec.json.decode(one.body) for one in receiver.arrivals]
    return [(body["event"], body["data"]["monitor"]["name"]) for body in bodies]


async def _states(*wanted: str) -> bool:
    found = await db.rows("SELECT DISTINCT state FROM deliveries")
    return {row["state"] for row in found} >= set(wanted)


async def test_times_are_in_the_zone_of_the_environment(prepared_settings, environ, spawn):
    environ["TZ"] = "Asia/Tokyo"
    async with watched() as web, receiving() as receiver:
        ops = await channels.create(make.channel(Ntfy(server_url=receiver.url, topic="alerts")))
        web.well = False
        await watch(web.url, ops.id)
        spawn("schedule"), spawn("work")
        (first,) = await receiver.arrived(1, 40)
    assert re.search(r"Down since [\d-]+ [\d:]+ JST[.,]", msgspec.json.decode(first.body)["message"])


async def test_a_child_is_alerted_only_when_it_stays_down_after_its_parent_is_back(prepared_settings, spawn):
    async with watched() as router, watched() as web, receiving() as receiver:
        ops = await channel(receiver)
        parent = await watch(router.url, ops, "Router")
        await watch(web.url, ops, "web", parent_ids=[parent])
        spawn("schedule"), spawn("work")
        await until(lambda: _up(2))
        router.well = web.well = False
        await until(lambda: _states("sent", "suppressed"))
        assert received_events(receiver) == [("monitor.down", "Router")]
        router.well = True
        await receiver.arrived(3, 40)
        web.well = True
        await receiver.arrived(4, 30)
    assert received_events(receiver) == [
        ("monitor.down", "Router"), ("monitor.up", "Router"), ("monitor.down", "web"), ("monitor.up", "web"),
    ]  # fmt: skip


async def _up(count: int) -> bool:
    return await beats(Status.UP) >= count


async def test_an_alert_storm_is_few_messages_that_name_every_monitor(prepared_settings, spawn):
    async with watched() as target, receiving() as receiver:
        ops = await channel(receiver, grouping=Grouping(max_immediate=1, window=4))
        target.well = False
        for number in range(12):
            await watch(f"{target.url}{number}", ops, f"web {number}")
        spawn("schedule"), spawn("work")
        await until(lambda: _all_are_sent(12), 40)
    assert len(receiver.arrivals) <= 4
    assert max(receiver.accepted().values()) == 1
    names = [name for one in receiver.arrivals for name in _names(msgspec.json.decode(one.body))]
    assert Counter(names) == {f"web {number}": 1 for number in range(12)}


def _names(body: dict[str, Any]) -> list[str]:
    others = body["data"].get("others", [])
    return [body["data"]["monitor"]["name"], *(one["data"]["monitor"]["name"] for one in others)]


async def _all_are_sent(count: int) -> bool:
    found = await db.rows("SELECT count(*) AS n FROM deliveries WHERE state = 'sent'")
    return found[0]["n"] == count


async def _escalation(*steps: str) -> str:
    draft = EscalationDraft(name="on call", steps=[EscalationStep(after=10, channel_ids=[one]) for one in steps])
    return (await escalation_policies.create(draft)).id


async def test_an_escalation_reaches_its_channel_and_so_does_the_recovery(prepared_settings, spawn):
    async with watched() as target, receiving() as ops, receiving() as boss:
        first, second = await channel(ops), await channel(boss)
        target.well = False
        await watch(target.url, first, escalation_id=await _escalation(second))
        spawn("schedule"), spawn("work")
        await boss.arrived(1, 40)
        target.well = True
        await boss.arrived(2, 30)
        await ops.arrived(2, 30)
    assert received_events(boss) == [("incident.escalated", "web"), ("monitor.up", "web")]
    assert received_events(ops) == [("monitor.down", "web"), ("monitor.up", "web")]


async def test_an_acknowledgement_stops_reminders_and_escalation(prepared_settings, spawn):
    async with watched() as target, receiving() as ops, receiving() as boss:
        first, second = await channel(ops), await channel(boss)
        target.well = False
        await watch(target.url, first, resend_interval=1, escalation_id=await _escalation(second))
        spawn("schedule"), spawn("work")
        await ops.arrived(1, 40)
        ((incident,), _) = await incidents.list_page(incidents.IncidentQuery())
        await incidents.acknowledge(incident.id, "ada")
        before, n_downs = len(ops.arrivals), await beats(Status.DOWN)
        await asyncio.sleep(11)  # the step's time has come
        await until(lambda: _more_downs(n_downs + 2))
    assert boss.arrivals == []
    assert set(received_events(ops)[before:]) <= {("incident.acknowledged", "web")}


async def _more_downs(than: int) -> bool:
    return await beats(Status.DOWN) >= than
