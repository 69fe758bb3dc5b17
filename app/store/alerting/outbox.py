"""The outbox: stores events, and one delivery for each recipient. A batch costs a fixed number of statements.

The recipients are chosen here, when the event is stored. Whether a delivery may go now is decided before it is sent
(`app.domain.alerting.delivery_rules`). Written as SQL: inserts over JSON arrays, joins.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any
from uuid import uuid4

import msgspec
from piccolo.query.base import FrozenQuery

from app import clock, db
from app.domain.alerting import alarms, routing
from app.domain.alerting.routing import ChannelSubscription, EventRouter
from app.domain.monitoring.judge import Evaluation, heartbeat_message
from app.store.monitoring.rows import type_of
from app.store.sql import list_parameter
from app.store.tables.channels import ChannelRow
from schema.channels.rules import ChannelRules
from schema.events import Event, EventKind
from schema.jobs import CheckOutcome
from schema.monitors import Monitor, Snapshot

_json = msgspec.json.Encoder()

_LINKED_CHANNELS = (
    "SELECT l.monitor_id, l.channel_id FROM {each:1} JOIN monitor_channels l ON l.monitor_id = each.value->>0"
    " UNION SELECT b.monitor_id, c.channel_id FROM {each:1} JOIN monitor_tags b ON b.monitor_id = each.value->>0"
    " JOIN channel_tags c ON c.tag_id = b.tag_id"
)
_ALERTED_CHANNELS = (
    "SELECT DISTINCT e.incident_id, d.channel_id FROM {each:1} JOIN events e ON e.incident_id = each.value->>0"
    " JOIN deliveries d ON d.event_id = e.id WHERE d.state IN ('pending', 'sending', 'sent')"
)
_OPENED_SINCE = (
    " AND e.kind = each.value->>1 AND e.at_ms >= CAST(each.value->>3 AS BIGINT) JOIN deliveries d ON d.event_id = e.id"
    " WHERE d.state IN ('pending', 'sending', 'sent')"
)
# alarms of a monitor, and of the system; two statements in one: each has an index, their "or" has none
_ALERTED_OF = (
    "SELECT each.value->>0 AS event_id, d.channel_id FROM {each:1} JOIN events e ON e.monitor_id = each.value->>2"
    f"{_OPENED_SINCE} UNION SELECT each.value->>0 AS event_id, d.channel_id FROM {{each:1}}"
    f" JOIN events e ON each.value->>2 IS NULL AND e.monitor_id IS NULL{_OPENED_SINCE}"
)
_INSERT_EVENTS = (
    "INSERT INTO events (id, kind, monitor_id, incident_id, at_ms, data, created_ms) SELECT value->>0, value->>1,"
    " value->>2, value->>3, CAST(value->>4 AS BIGINT), value->>5, CAST(?2 AS BIGINT) FROM {each:1}"
)
_INSERT_DELIVERIES = (
    "INSERT INTO deliveries (id, event_id, channel_id, monitor_id, at_ms, next_attempt_ms, created_ms)"
    " SELECT value->>0, value->>1, value->>2, value->>3, CAST(value->>4 AS BIGINT), CAST(?2 AS BIGINT),"
    " CAST(?2 AS BIGINT) FROM {each:1} WHERE TRUE ON CONFLICT (event_id, channel_id) DO NOTHING"
)


def event_from_evaluation(outcome: CheckOutcome, evaluation: Evaluation | None, snapshot: Snapshot) -> Event | None:
    """The event that an evaluation leads to, if any. Its data is what a message needs, without secrets."""
    kind = None if evaluation is None else evaluation.alert or evaluation.event
    if evaluation is None or kind is None:
        return None
    at_ms = outcome.at_ms
    data: dict[str, Any] = {
        "monitor": {"id": snapshot.monitor_id, "name": snapshot.name, "type": type_of(snapshot.target)},
        "status": int(evaluation.status),
        "msg": heartbeat_message(evaluation.status, outcome.status, outcome.message, outcome.code),
        "ping": outcome.took_us / 1000 if outcome.took_us else None,
    }
    if evaluation.started_ms is not None:
        data["started_at"] = clock.instant(evaluation.started_ms)
        data["duration"] = (at_ms - evaluation.started_ms) / 1000
    if kind is EventKind.MONITOR_DOWN and not evaluation.important:
        data["reminder"] = True
    return Event(id=str(uuid4()), event=kind, at=clock.instant(at_ms), monitor_id=snapshot.monitor_id, data=data)


def cleared_events(outcome: CheckOutcome, evaluation: Evaluation, snapshot: Snapshot) -> list[Event]:
    """The events of what is over with an evaluation: a monitor that was *degraded*, or *unknown*."""
    ended_by = evaluation.alert or evaluation.event
    facts: dict[str, Any] = {
        "status": int(evaluation.status),
        "msg": heartbeat_message(evaluation.status, outcome.status, outcome.message, outcome.code),
        **({"ended_by": str(ended_by)} if ended_by else {}),
    }
    monitor = {"id": snapshot.monitor_id, "name": snapshot.name, "type": type_of(snapshot.target)}
    return [
        cleared_event(monitor, status.name.lower(), since_ms, outcome.at_ms, **facts)
        for status, since_ms in evaluation.cleared
    ]


def cleared_event(monitor: dict[str, Any], what: str, since_ms: int, at_ms: int, **facts: Any) -> Event:
    """The event that something about a monitor is over.

    what    degraded, unknown, certificate or domain
    facts   with `ended_by`: the event that ended it, which subscribers receive as well
    """
    data = {
        "monitor": monitor,
        "what": what,
        "started_at": clock.instant(since_ms),
        "duration": max(0, at_ms - since_ms) / 1000,
        **facts,
    }
    return Event(
        id=str(uuid4()),
        event=EventKind.MONITOR_CLEARED,
        at=clock.instant(at_ms),
        monitor_id=monitor["id"],
        data=data,
    )


def monitor_event(kind: EventKind, monitor: Monitor, at_ms: int) -> Event:
    """The event of a change to a monitor."""
    return Event(
        id=str(uuid4()),
        event=kind,
        at=clock.instant(at_ms),
        monitor_id=monitor.id,
        data={"monitor": {"id": monitor.id, "name": monitor.name, "type": monitor.type}},
    )


async def record_event(kind: EventKind, data: dict[str, Any], at_ms: int) -> tuple[Event, dict[str, list[str]]]:
    """Store an event about the system; returns it, and as `record_events` its deliveries."""
    event = Event(id=str(uuid4()), event=kind, at=clock.instant(at_ms), data=data)
    return event, await record_events([event], at_ms)


async def record_events(events: Sequence[Event], now_ms: int) -> dict[str, list[str]]:
    """Store events and a delivery for each recipient, inside the caller's transaction.

    returns  channel id -> delivery ids, to be queued after the commit
    """
    if not events:
        return {}
    await _insert_events(events, now_ms)
    rows = [
        (str(uuid4()), event.id, channel.id, event.monitor_id, clock.epoch_ms(event.at))
        for event, channel in await _recipients(events)
    ]
    if rows:
        await db.rows(_INSERT_DELIVERIES, _json.encode(rows).decode(), now_ms)
    return ids_by_channel([{"id": row[0], "channel_id": row[2]} for row in rows])


async def _insert_events(events: Sequence[Event], now_ms: int) -> None:
    rows = [
        (
            e.id,
            e.event,
            e.monitor_id,
            routing.incident_id_of(e.data),
            clock.epoch_ms(e.at),
            _json.encode(e.data).decode(),
        )
        for e in events
    ]
    await db.rows(_INSERT_EVENTS, _json.encode(rows).decode(), now_ms)


async def _recipients(events: Sequence[Event]) -> list[tuple[Event, ChannelSubscription]]:
    """Each event with each channel that receives it."""
    subscriptions = [_subscription_of(row) for row in await _active_channels().run()]
    if not subscriptions:
        return []
    router = EventRouter(subscriptions)
    linked = await _channels_by(_LINKED_CHANNELS, "monitor_id", {one.monitor_id for one in events if one.monitor_id})
    alerted = await _alerted_channels(events)
    return [(event, channel) for event in events for channel in _recipients_of(event, router, linked, alerted)]


async def _alerted_channels(events: Sequence[Event]) -> dict[str, set[str]]:
    """Event id -> the channels that were alerted of what the event continues or ends."""
    incidents = {
        one.id: id_ for one in events if _may_have_been_alerted(one) and (id_ := routing.incident_id_of(one.data))
    }
    by_incident = await _channels_by(_ALERTED_CHANNELS, "incident_id", set(incidents.values()))
    alerted = {event_id: by_incident.get(id_, set()) for event_id, id_ in incidents.items()}
    openings = [row for one in events if one.event in alarms.NAMED_BY_WHAT for row in _openings_of(one)]
    for row in await db.rows(_ALERTED_OF, _json.encode(openings).decode()) if openings else []:
        alerted.setdefault(row["event_id"], set()).add(row["channel_id"])
    return alerted


def _openings_of(event: Event) -> list[tuple[str, str, str | None, int]]:
    """For each kind of event that opens what this one ends: the ending event, the kind, the monitor, and since when."""
    if not event.data.get("started_at"):
        return []
    since_ms = clock.epoch_ms(event.data["started_at"])
    kinds = alarms.opening_kinds(event.event, str(event.data.get("what") or ""))
    return [(event.id, str(kind), event.monitor_id, since_ms) for kind in kinds]


@cache
def _active_channels() -> FrozenQuery:
    """Every batch of events reads them; frozen, the query costs what SQL text does."""
    columns = (
        *(ChannelRow.id, ChannelRow.kind, ChannelRow.type, ChannelRow.config),
        *(ChannelRow.is_default, ChannelRow.all_monitors, ChannelRow.rules),
    )
    active = ChannelRow.active.eq(value=True) & ChannelRow.is_temporary.eq(value=False)
    return ChannelRow.select(*columns).where(active).order_by(ChannelRow.id).freeze()


def _recipients_of(
    event: Event, router: EventRouter, linked: Mapping[str, set[str]], alerted: Mapping[str, set[str]]
) -> list[ChannelSubscription]:
    """The recipients of one event; those alerted of what it ends also learn of ends that they do not subscribe to."""
    kind, subject_id = event.event, routing.subject_channel_id(event.data)
    alerted_ids = alerted.get(event.id, set())
    linked_ids = None if event.monitor_id is None else linked.get(event.monitor_id, set()) | alerted_ids
    recipients = router.recipients(kind, linked_ids=linked_ids, subject_id=subject_id)
    if kind in routing.FOR_ALERTED:
        recipients = [one for one in recipients if not routing.is_spared(one, kind, event.data, alerted_ids)]
    if event.monitor_id is not None and routing.closed_without_recovery(kind, event.data):
        awaiting_recovery = router.recipients(EventKind.MONITOR_UP, linked_ids=alerted_ids)
        recipients += [one for one in awaiting_recovery if one.id in alerted_ids and not one.is_webhook]
    if alerted_ids and kind in routing.ENDING:
        recipients += [one for one in router.recipients_of_end(kind, event.data, alerted_ids) if one.id != subject_id]
    return list({one.id: one for one in recipients}.values())


def _may_have_been_alerted(event: Event) -> bool:
    """Whether a channel may have been alerted of the event's incident; never true at its start."""
    is_start = event.event is EventKind.INCIDENT_OPENED or event.event is EventKind.MONITOR_DOWN
    return not is_start or bool(event.data.get("reminder"))


async def _channels_by(sql: str, key: str, ids: Collection[str]) -> dict[str, set[str]]:
    """Channel ids by monitor or incident."""
    found: dict[str, set[str]] = {}
    if ids:
        for row in await db.rows(sql, list_parameter(ids)):
            found.setdefault(row[key], set()).add(row["channel_id"])
    return found


def _subscription_of(row: Any) -> ChannelSubscription:
    rules = msgspec.json.decode(row["rules"], type=ChannelRules)
    return ChannelSubscription(
        id=row["id"],
        events=tuple(rules.events),
        is_webhook=row["kind"] == "webhook",
        is_default=bool(row["is_default"]),
        all_monitors=bool(row["all_monitors"]),
        holds_alarms=row["type"] in alarms.PAGING_TYPES
        or (
            row["type"] in alarms.RINGING_TYPES
            and msgspec.json.decode(row["config"]).get("priority") == alarms.EMERGENCY_PRIORITY
        ),
    )


def ids_by_channel(rows: Iterable[Any]) -> dict[str, list[str]]:
    """Channel id -> delivery ids, since a job holds deliveries of one channel only."""
    ids: dict[str, list[str]] = {}
    for row in rows:
        ids.setdefault(row["channel_id"], []).append(row["id"])
    return ids
