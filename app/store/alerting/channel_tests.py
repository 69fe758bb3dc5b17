"""Tests of channels: an event with one delivery, stored like any other, so that it takes the ordinary way."""

from datetime import UTC, datetime
from uuid import uuid4

import msgspec
from msgspec import Struct, structs

from app import clock, db
from app.domain.alerting import sample_events
from schema.events import Event, EventKind


class ChannelTestStatus(Struct, frozen=True):
    """How far a test's delivery got. `state` is pending, sending, sent or dead."""

    state: str
    error: str


def sample_event(kind: EventKind = EventKind.TEST) -> Event:
    """An event that did not happen, and says so."""
    sample = sample_events.sample_event(kind)
    return structs.replace(
        sample, id=str(uuid4()), at=datetime.now(UTC), monitor_id=None, data=sample.data | {"test": True}
    )


async def create(channel_id: str, event: Event) -> str:
    """Store an event that only this channel hears of, and its delivery; returns the delivery's id."""
    now, delivery_id = clock.now_ms(), str(uuid4())
    async with db.transaction():
        await db.rows(
            "INSERT INTO events (id, kind, at_ms, data, created_ms) VALUES (?1, ?2, ?3, ?4, ?3)",
            event.id,
            str(event.event),
            now,
            msgspec.json.encode(event.data).decode(),
        )
        await db.rows(
            "INSERT INTO deliveries (id, event_id, channel_id, at_ms, next_at_ms, created_ms)"
            " VALUES (?1, ?2, ?3, ?4, ?4, ?4)",
            delivery_id,
            event.id,
            channel_id,
            now,
        )
    return delivery_id


async def get_status(delivery_id: str) -> ChannelTestStatus:
    """How far the delivery got."""
    found = await db.rows("SELECT state, error FROM deliveries WHERE id = ?1", delivery_id)
    return (
        ChannelTestStatus(found[0]["state"], found[0]["error"])
        if found
        else ChannelTestStatus("dead", "the channel was deleted")
    )


async def cancel(delivery_id: str) -> None:
    """Nobody waits for this test any more: it must not arrive later."""
    await db.rows(
        "UPDATE deliveries SET state = 'dead', error = 'nobody took it in time' WHERE id = ?1 AND state = 'pending'",
        delivery_id,
    )
