"""The outbox: events that verdicts call for, and one delivery for each channel that must be told."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from app import db
from app.domain.judge import Verdict
from app.store.deliveries import by_channel
from schema.events import Event, EventKind
from schema.jobs import Outcome
from schema.messages import text_of
from schema.monitors import Snapshot

_json = msgspec.json.Encoder()
TOLD = {EventKind.MONITOR_DOWN, EventKind.MONITOR_UP}  # events that go to channels; the others are facts for listeners


def event_of(one: Outcome, verdict: Verdict | None, snapshot: Snapshot) -> Event | None:
    """The event a verdict calls for. Its data is what a message needs, and nothing secret."""
    kind = None if verdict is None else verdict.tells or verdict.notes
    if verdict is None or kind is None:
        return None
    at_ms = one.at_ms
    data: dict[str, Any] = {
        "monitor": {"id": snapshot.monitor_id, "name": snapshot.name, "type": type(snapshot.target).__name__.lower()},
        "status": int(verdict.status),
        "msg": one.message or text_of(one.code),
        "ping": one.took_us / 1000 if one.took_us else None,
    }
    if verdict.started_ms is not None:
        data["started_at"] = _instant(verdict.started_ms)
        data["duration"] = (at_ms - verdict.started_ms) / 1000
    return Event(id=str(uuid4()), event=kind, at=_instant(at_ms), monitor_id=snapshot.monitor_id, data=data)


async def owe(events: Sequence[Event], now_ms: int) -> dict[str, list[str]]:
    """Store events, and a delivery for each channel linked to their monitors: channel id -> delivery ids."""
    rows = [
        (e.id, e.event, e.monitor_id, _ms(e.at), _json.encode(e.data).decode(), e.data.get("incident", {}).get("id"))
        for e in events
    ]
    await db.rows(
        "INSERT INTO events (id, kind, monitor_id, at_ms, data, created_ms, incident_id) SELECT value->>0, value->>1,"
        " value->>2, CAST(value->>3 AS BIGINT), value->>4, CAST(?2 AS BIGINT), value->>5 FROM {each:1}",
        _json.encode(rows).decode(),
        now_ms,
    )
    owed = await _channels_of([event for event in events if event.event in TOLD])
    deliveries = [(str(uuid4()), row["event_id"], row["channel_id"], row["monitor_id"], row["at_ms"]) for row in owed]
    if deliveries:
        await db.rows(
            "INSERT INTO deliveries (id, event_id, channel_id, monitor_id, at_ms, next_at_ms, created_ms)"
            " SELECT value->>0, value->>1, value->>2, value->>3, CAST(value->>4 AS BIGINT), CAST(?2 AS BIGINT),"
            " CAST(?2 AS BIGINT) FROM {each:1} WHERE TRUE ON CONFLICT (event_id, channel_id) DO NOTHING",
            _json.encode(deliveries).decode(),
            now_ms,
        )
    return by_channel([{"id": id_, "channel_id": channel_id} for id_, _, channel_id, *_rest in deliveries])


async def _channels_of(events: Sequence[Event]) -> Any:
    """(event, channel) for every active channel that is linked to an event's monitor."""
    if not events:
        return []
    return await db.rows(
        "SELECT each.value->>0 AS event_id, each.value->>1 AS monitor_id, CAST(each.value->>2 AS BIGINT) AS at_ms,"
        " c.id AS channel_id FROM {each:1} JOIN links l ON l.monitor_id = each.value->>1"
        " JOIN channels c ON c.id = l.channel_id WHERE c.active",
        _json.encode([(e.id, e.monitor_id, _ms(e.at)) for e in events]).decode(),
    )


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
