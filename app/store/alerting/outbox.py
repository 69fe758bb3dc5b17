"""The outbox: events, and one delivery for each channel that must be told. A batch is a fixed number of statements.

Who is told is decided here, when the event is stored; whether it may go now is asked before it is sent
(`app.store.alerting.suppression`).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from app import db
from app.domain.alerting import routing
from app.domain.alerting.routing import Audience, Listener
from app.domain.monitoring import upside_down
from app.domain.monitoring.judge import Verdict
from app.store.alerting.delivery_queue import by_channel
from app.store.sql import listed
from schema.channels.terms import Terms
from schema.events import Event, EventKind
from schema.jobs import Outcome
from schema.monitors import Snapshot

_json = msgspec.json.Encoder()

_LISTENING = "SELECT id, kind, is_default, all_monitors, terms FROM channels WHERE active AND version > 0 ORDER BY id"
_TIED = (
    "SELECT l.monitor_id, l.channel_id FROM {each:1} JOIN links l ON l.monitor_id = each.value->>0"
    " UNION SELECT b.monitor_id, c.channel_id FROM {each:1} JOIN monitor_tags b ON b.monitor_id = each.value->>0"
    " JOIN channel_tags c ON c.tag_id = b.tag_id"
)
_HEARD = (
    "SELECT DISTINCT e.incident_id, d.channel_id FROM {each:1} JOIN events e ON e.incident_id = each.value->>0"
    " JOIN deliveries d ON d.event_id = e.id WHERE d.state IN ('pending', 'sending', 'sent')"
)
_KEEP = (
    "INSERT INTO events (id, kind, monitor_id, incident_id, at_ms, data, created_ms) SELECT value->>0, value->>1,"
    " value->>2, value->>3, CAST(value->>4 AS BIGINT), value->>5, CAST(?2 AS BIGINT) FROM {each:1}"
)
_OWE = (
    "INSERT INTO deliveries (id, event_id, channel_id, monitor_id, at_ms, next_at_ms, created_ms)"
    " SELECT value->>0, value->>1, value->>2, value->>3, CAST(value->>4 AS BIGINT), CAST(?2 AS BIGINT),"
    " CAST(?2 AS BIGINT) FROM {each:1} WHERE TRUE ON CONFLICT (event_id, channel_id) DO NOTHING"
)


def event_of(one: Outcome, verdict: Verdict | None, snapshot: Snapshot) -> Event | None:
    """The event a verdict calls for. Its data is what a message needs, and nothing secret."""
    kind = None if verdict is None else verdict.tells or verdict.notes
    if verdict is None or kind is None:
        return None
    at_ms = one.at_ms
    data: dict[str, Any] = {
        "monitor": {"id": snapshot.monitor_id, "name": snapshot.name, "type": type(snapshot.target).__name__.lower()},
        "status": int(verdict.status),
        "msg": upside_down.message_of(verdict.status, one.seen, one.message, one.code),
        "ping": one.took_us / 1000 if one.took_us else None,
    }
    if verdict.started_ms is not None:
        data["started_at"] = _instant(verdict.started_ms)
        data["duration"] = (at_ms - verdict.started_ms) / 1000
    if kind is EventKind.MONITOR_DOWN and not verdict.important:
        data["reminder"] = True
    return Event(id=str(uuid4()), event=kind, at=_instant(at_ms), monitor_id=snapshot.monitor_id, data=data)


async def owe(events: Sequence[Event], now_ms: int) -> dict[str, list[str]]:
    """Store events and the deliveries they call for, inside of the caller's transaction.

    returns  channel id -> delivery ids
    """
    if not events:
        return {}
    await _keep(events, now_ms)
    owed = await _owed(events)
    rows = [(str(uuid4()), event.id, one.id, event.monitor_id, _ms(event.at)) for event, one in owed]
    if rows:
        await db.rows(_OWE, _json.encode(rows).decode(), now_ms)
    return by_channel([{"id": row[0], "channel_id": row[2]} for row in rows])


async def _keep(events: Sequence[Event], now_ms: int) -> None:
    rows = [
        (e.id, e.event, e.monitor_id, routing.incident_of(e.data), _ms(e.at), _json.encode(e.data).decode())
        for e in events
    ]
    await db.rows(_KEEP, _json.encode(rows).decode(), now_ms)


async def _owed(events: Sequence[Event]) -> list[tuple[Event, Listener]]:
    """Every event with each channel that is told of it."""
    listeners = [_listener_of(row) for row in await db.rows(_LISTENING)]
    if not listeners:
        return []
    audience = Audience(listeners)
    tied = await _pairs(_TIED, "monitor_id", {one.monitor_id for one in events if one.monitor_id})
    known = {id_ for one in events if _has_past(one) and (id_ := routing.incident_of(one.data))}
    heard = await _pairs(_HEARD, "incident_id", known)
    return [(event, one) for event in events for one in _told(event, audience, tied, heard)]


def _told(
    event: Event, audience: Audience, tied: Mapping[str, set[str]], heard: Mapping[str, set[str]]
) -> list[Listener]:
    if event.monitor_id is None:
        return audience.of(event.event, subject=routing.subject_of(event.data))
    before = heard.get(routing.incident_of(event.data) or "", set())
    near = tied.get(event.monitor_id, set()) | before
    told = audience.of(event.event, tied=near, subject=routing.subject_of(event.data))
    if not routing.is_abandoned(event.event, event.data):
        return told
    ends = [one for one in audience.of(EventKind.MONITOR_UP, tied=before) if one.id in before and not one.is_webhook]
    return list({one.id: one for one in [*told, *ends]}.values())


def _has_past(event: Event) -> bool:
    """Whether somebody may have been told of its incident before: not of one that begins."""
    begins = event.event is EventKind.INCIDENT_OPENED or event.event is EventKind.MONITOR_DOWN
    return not begins or bool(event.data.get("reminder"))


async def _pairs(sql: str, key: str, ids: Collection[str]) -> dict[str, set[str]]:
    """Channel ids by monitor or by incident."""
    found: dict[str, set[str]] = {}
    if ids:
        for row in await db.rows(sql, listed(ids)):
            found.setdefault(row[key], set()).add(row["channel_id"])
    return found


def _listener_of(row: Any) -> Listener:
    terms = msgspec.json.decode(row["terms"], type=Terms)
    return Listener(
        id=row["id"],
        events=tuple(terms.events),
        is_webhook=row["kind"] == "webhook",
        is_default=bool(row["is_default"]),
        all_monitors=bool(row["all_monitors"]),
    )


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
