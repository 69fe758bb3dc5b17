"""Events that are facts about our own things: stored in the transaction that made them true, told after it."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from msgspec import Struct

from app import clock, db
from app.store.alerting import outbox
from schema.events import Event, EventKind
from schema.monitors import Monitor


class RecordedEvent(Struct, frozen=True):
    """An event that is stored, and what is owed for it: channel id -> delivery ids."""

    event: Event
    deliveries: dict[str, list[str]]


def monitor_event(kind: EventKind, monitor: Monitor, at_ms: int) -> Event:
    """Something was done to a monitor."""
    return Event(
        id=str(uuid4()),
        event=kind,
        at=clock.instant(at_ms),
        monitor_id=monitor.id,
        data={"monitor": {"id": monitor.id, "name": monitor.name, "type": monitor.type}},
    )


async def record_event(kind: EventKind, data: dict[str, Any], at_ms: int) -> RecordedEvent:
    """Something about ourselves became true: stored at once, in a transaction of its own."""
    event = Event(id=str(uuid4()), event=kind, at=clock.instant(at_ms), data=data)
    async with db.transaction():
        return RecordedEvent(event, await record_events([event], at_ms))


async def record_events(events: Sequence[Event], at_ms: int) -> dict[str, list[str]]:
    """Store events and who must be told of them; inside of the caller's transaction.

    returns    channel id -> delivery ids, to be queued after the commit
    """
    return await outbox.record_events(events, at_ms) if events else {}
