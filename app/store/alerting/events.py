"""Events about monitors and about the system itself, stored with their deliveries."""

from typing import Any
from uuid import uuid4

from msgspec import Struct

from app import clock, db
from app.store.alerting.outbox import record_events
from schema.events import Event, EventKind
from schema.monitors import Monitor

__all__ = ["RecordedEvent", "monitor_event", "record_event", "record_events"]


class RecordedEvent(Struct, frozen=True):
    """A stored event and its deliveries: channel id -> delivery ids."""

    event: Event
    deliveries: dict[str, list[str]]


def monitor_event(kind: EventKind, monitor: Monitor, at_ms: int) -> Event:
    """The event of a change to a monitor."""
    return Event(
        id=str(uuid4()),
        event=kind,
        at=clock.instant(at_ms),
        monitor_id=monitor.id,
        data={"monitor": {"id": monitor.id, "name": monitor.name, "type": monitor.type}},
    )


async def record_event(kind: EventKind, data: dict[str, Any], at_ms: int) -> RecordedEvent:
    """Store an event about the system, in its own transaction."""
    event = Event(id=str(uuid4()), event=kind, at=clock.instant(at_ms), data=data)
    async with db.transaction():
        return RecordedEvent(event, await record_events([event], at_ms))
