"""Events that are facts about our own things: stored in the transaction that made them true, told after it."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from app import db
from schema.events import Event, EventKind
from schema.monitors import Monitor

_json = msgspec.json.Encoder()


def of_monitor(kind: EventKind, monitor: Monitor, at_ms: int) -> Event:
    """Something was done to a monitor."""
    return Event(
        id=str(uuid4()),
        event=kind,
        at=datetime.fromtimestamp(at_ms / 1000, UTC),
        monitor_id=monitor.id,
        data={"monitor": {"id": monitor.id, "name": monitor.name, "type": monitor.type}},
    )


async def add(kind: EventKind, data: dict[str, Any], at_ms: int) -> Event:
    """Something about ourselves became true: stored at once, in a transaction of its own."""
    event = Event(id=str(uuid4()), event=kind, at=datetime.fromtimestamp(at_ms / 1000, UTC), data=data)
    async with db.writing():
        await keep(event, at_ms)
    return event


async def keep(event: Event, at_ms: int) -> None:
    """Store one event; inside of the caller's transaction."""
    await db.rows(
        "INSERT INTO events (id, kind, monitor_id, at_ms, data, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?4)",
        event.id,
        str(event.event),
        event.monitor_id,
        at_ms,
        _json.encode(event.data).decode(),
    )
