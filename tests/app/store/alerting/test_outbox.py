"""The outbox stores events with the deliveries they call for, in a fixed number of statements."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from app import db
from app.domain.monitoring.judge import Evaluation, MonitorState
from app.security.secrets import sealing
from app.store.alerting import channels, outbox
from app.store.monitoring import tags
from app.store.transactions import monitors
from schema.channels import ChannelPatch, Pagerduty, Pushover
from schema.events import Event, EventKind
from schema.monitors import UnreadableTarget
from schema.status import Status
from schema.tags import TagDraft
from schema.targets import KafkaProducer
from tests import make

NOW = make.NOW_MS
DOWN, UP, LAG = EventKind.MONITOR_DOWN, EventKind.MONITOR_UP, EventKind.SCHEDULE_LAG
END = EventKind.INCIDENT_RESOLVED


@pytest.fixture(autouse=True)
def sealed(store):
    sealing.prepare(store)


async def channel(name: str = "ops", **changes: Any) -> str:
    return (await channels.create(make.channel(name=name, **changes))).id


async def monitor(*linked: str, **changes: Any) -> str:
    draft = make.monitor(notification_channel_ids=list(linked), **changes)
    return (await monitors.create(draft)).monitor.id


async def webhook(*patterns: str) -> str:
    id_ = await channel("hook", events=list(patterns), all_monitors=True)
    await db.rows("UPDATE channels SET kind = 'webhook' WHERE id = ?1", id_)
    return id_


def event(kind: EventKind = DOWN, monitor_id: str | None = None, **data: Any) -> Event:
    at = datetime.fromtimestamp(NOW / 1000, UTC)
    return Event(id=str(uuid4()), event=kind, at=at, monitor_id=monitor_id, data=data)


async def record_events(*events: Event) -> dict[str, list[str]]:
    async with db.transaction():
        return await outbox.record_events(events, NOW)


async def notified_by(*events: Event) -> set[str]:
    return set(await record_events(*events))


async def test_an_event_is_stored_with_the_incident_it_belongs_to():
    one = event(monitor_id="m", incident={"id": "i"}, msg="refused")
    assert await record_events(one) == {}
    (row,) = await db.rows("SELECT * FROM events")
    assert (row["id"], row["kind"], row["monitor_id"], row["incident_id"]) == (one.id, "monitor.down", "m", "i")
    assert (row["at_ms"], row["created_ms"]) == (NOW, NOW)


async def test_recording_no_events_creates_no_deliveries():
    assert await record_events() == {}


async def test_linked_tagged_and_global_channels_get_a_delivery():
    shop = (await tags.create(TagDraft(name="shop"))).id
    linked, tagged, everywhere = await channel(), await channel(tag_ids=[shop]), await channel(all_monitors=True)
    await channel()
    one = await monitor(linked, tag_ids=[shop])
    assert await notified_by(event(monitor_id=one)) == {linked, tagged, everywhere}


async def test_a_channel_linked_three_times_gets_one_delivery():
    shop = (await tags.create(TagDraft(name="shop"))).id
    thrice = await channel(tag_ids=[shop], all_monitors=True)
    (ids,) = (await record_events(event(monitor_id=await monitor(thrice, tag_ids=[shop])))).values()
    assert len(ids) == 1


async def test_a_channel_that_is_switched_off_gets_no_delivery():
    assert await notified_by(event(monitor_id=await monitor(await channel(active=False)))) == set()


async def test_events_that_a_paused_channel_misses_are_listed():
    paused = await channel()
    await db.rows("UPDATE channels SET disabled_ms = 1 WHERE id = ?1", paused)
    assert await notified_by(event(monitor_id=await monitor(paused))) == {paused}


async def test_recipients_of_an_outage_are_notified_of_the_monitor_s_deletion():
    linked, _, _ = await channel(), await channel(all_monitors=True, events=["monitor.up"]), await webhook("monitor.*")
    one = await monitor(linked)
    await record_events(event(monitor_id=one, incident={"id": "i"}))
    await monitors.delete(one)  # its links are gone
    assert await notified_by(event(END, one, incident={"id": "i"})) == set()
    assert await notified_by(event(END, one, incident={"id": "i"}, ended_by="monitor.deleted")) == {linked}


async def test_a_channel_gets_what_its_patterns_match():
    downs, everything = await channel(events=["monitor.down"]), await channel(events=["*"])
    one = await monitor(downs, everything)
    assert await notified_by(event(monitor_id=one)) == {downs, everything}
    assert await notified_by(event(EventKind.MONITOR_DEGRADED, one)) == {everything}


@pytest.mark.parametrize(
    ("state", "is_notified"), [("sent", True), ("pending", True), ("suppressed", False), ("dead", False)]
)
async def test_recipients_of_an_incident_are_notified_of_its_end(state, is_notified):
    linked, escalated = await channel(), await channel(events=["*"])
    one = await monitor(linked)
    first = event(monitor_id=one, incident={"id": "i"})
    await record_events(first)
    await db.rows(
        "INSERT INTO deliveries (id, event_id, channel_id, monitor_id, state, at_ms, next_attempt_ms, created_ms)"
        " VALUES ('d', ?1, ?2, ?3, ?4, ?5, ?5, ?5)",
        *(first.id, escalated, one, state, NOW),
    )
    assert await notified_by(event(UP, one, incident={"id": "another"})) == {linked}
    assert (escalated in await notified_by(event(UP, one, incident={"id": "i"}))) is is_notified


async def test_webhooks_get_the_events_they_subscribe_to_of_all_monitors():
    hook = await webhook("monitor.*", "deployment.failed")
    one = await monitor()
    assert await notified_by(event(EventKind.MONITOR_UPDATED, one)) == {hook}
    assert await notified_by(event(EventKind.DEPLOYMENT_FAILED)) == {hook}
    assert await notified_by(event(EventKind.DEPLOYMENT_STARTED)) == set()


async def test_our_own_troubles_go_to_the_default_channels_or_to_all():
    one, hook = await channel(), await webhook("*")
    assert await notified_by(event(LAG)) == {one, hook}
    usual = await channel(is_default=True)
    assert await notified_by(event(LAG)) == {usual, hook}
    matching = await channel(events=["system.*"])
    assert await notified_by(event(LAG)) == {matching, hook}


async def test_a_failing_channel_is_alerted_through_another():
    failing, other = await channel(is_default=True), await channel()
    assert await notified_by(event(EventKind.CHANNEL_FAILING, channel={"id": failing})) == {other}


async def test_changed_subscriptions_apply_to_the_next_event():
    one = await channel()
    watched = await monitor(one)
    await channels.update(one, ChannelPatch(events=["monitor.up"]))
    assert await notified_by(event(monitor_id=watched)) == set()


async def test_many_outages_take_as_many_statements_as_one(statements):
    linked = await channel()
    ids = [await monitor(linked) for _ in range(5)]
    statements.clear()
    await record_events(event(monitor_id=ids[0], incident={"id": "i"}))
    few = len(statements)
    deliveries = await record_events(*(event(monitor_id=id_, incident={"id": id_}) for id_ in ids * 20))
    assert (len(statements) - few, len(deliveries[linked])) == (few, 100)


KAFKA = KafkaProducer(brokers=["127.0.0.1:9092"], topic="t", message="m")


@pytest.mark.parametrize("target", [KAFKA, UnreadableTarget("kafka-producer")], ids=["readable", "unreadable"])
def test_an_event_names_the_type_of_its_monitor_as_the_api_does(target):
    evaluation = Evaluation(Status.DOWN, MonitorState(), important=True, alert=DOWN)
    event = outbox.event_from_evaluation(make.down(), evaluation, make.snapshot(target=target))
    assert event is not None
    assert event.data["monitor"]["type"] == "kafka-producer"


async def test_people_learn_of_an_acknowledgement_if_they_were_alerted():
    alerted, other, hook = await channel(), await channel(events=["*"]), await webhook("incident.*")
    one = await monitor(alerted, other)
    await channels.update(other, ChannelPatch(events=["incident.acknowledged"]))
    await record_events(event(monitor_id=one, incident={"id": "i"}))
    assert await notified_by(event(EventKind.INCIDENT_ACKNOWLEDGED, one, incident={"id": "i"})) == {alerted, hook}
    assert await notified_by(event(EventKind.INCIDENT_ACKNOWLEDGED, None, incident={"id": "another"})) == {hook}


PAGER = Pagerduty(routing_key="k" * 32)


def cleared(monitor_id: str, **data: Any) -> Event:
    started_at = datetime.fromtimestamp(NOW / 1000, UTC)
    return event(EventKind.MONITOR_CLEARED, monitor_id, **{"what": "degraded", "started_at": started_at} | data)


async def test_the_end_of_a_warning_goes_to_those_who_were_warned():
    warned, usual, hook = await channel(events=["monitor.*"]), await channel(), await webhook("monitor.*")
    pager = await channel("pager", config=PAGER, events=["monitor.degraded"])  # what it opens must end
    one = await monitor(warned, usual, pager)
    assert await notified_by(cleared(one)) == {hook}
    assert await notified_by(event(EventKind.MONITOR_DEGRADED, one)) == {warned, hook, pager}
    assert await notified_by(cleared(one, what="unknown")) == {hook}
    assert await notified_by(cleared(one)) == {warned, hook, pager}
    assert await notified_by(cleared(one, ended_by="monitor.down")) == {hook, pager}  # people learn of the outage


async def test_an_older_warning_is_another_one():
    pager = await channel("pager", config=PAGER, events=["monitor.degraded"])
    one = await monitor(pager)
    await record_events(event(EventKind.MONITOR_DEGRADED, one))
    later = datetime.fromtimestamp(NOW / 1000 + 60, UTC)
    assert await notified_by(cleared(one, started_at=later)) == set()


@pytest.mark.parametrize(
    ("config", "is_notified"),
    [
        (PAGER, True),
        (Pushover(user_key="u", app_token="a", priority=2), True),
        (Pushover(user_key="u", app_token="a", priority=1), False),
        (make.webhook(), False),
    ],
)
async def test_an_alarm_that_stays_open_is_closed_without_a_subscription(config, is_notified):
    one = await channel(config=config, events=["monitor.down", "system.disk_full"])
    watched = await monitor(one)
    await record_events(event(monitor_id=watched, incident={"id": "i"}), event(EventKind.DISK_FULL))
    for kind in (END, EventKind.INCIDENT_ACKNOWLEDGED):
        assert (one in await notified_by(event(kind, watched, incident={"id": "i"}))) is is_notified
    since = datetime.fromtimestamp(NOW / 1000, UTC)
    other = await channel(events=["system.*"])  # a person who would be told instead
    found = await notified_by(event(EventKind.RECOVERED, what="disk_full", started_at=since))
    assert found == {other, *([one] if is_notified else [])}


async def test_a_pager_that_receives_recoveries_closes_an_outage_once():
    pager = await channel("pager", config=PAGER, events=["monitor.down", "monitor.up"])
    one = await monitor(pager)
    await record_events(event(monitor_id=one, incident={"id": "i"}))
    assert await notified_by(event(UP, one, incident={"id": "i"})) == {pager}
    assert await notified_by(event(END, one, incident={"id": "i"})) == set()


async def test_many_ends_take_as_many_statements_as_one(statements):
    pager = await channel("pager", config=PAGER, events=["monitor.*"])
    ids = [await monitor(pager) for _ in range(3)]
    await record_events(*(event(EventKind.MONITOR_DEGRADED, id_) for id_ in ids))
    statements.clear()
    await record_events(cleared(ids[0]))
    few = len(statements)
    deliveries = await record_events(*(cleared(id_) for id_ in ids))
    assert (len(statements) - 2 * few, len(deliveries[pager])) == (0, 3)
