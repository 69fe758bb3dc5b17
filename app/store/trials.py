"""Tests of channels: a test event with one delivery, stored like any other, so that it takes the ordinary way."""

from datetime import UTC, datetime
from time import time
from uuid import uuid4

from msgspec import Struct

from app import db
from app.store import events
from schema.events import Event, EventKind


class Outcome(Struct, frozen=True):
    """How far a test's delivery got. `state` is pending, sending, sent or dead."""

    state: str
    error: str


async def add(channel_id: str) -> str:
    """Store a test event and its delivery to one channel; returns the delivery's id."""
    now, delivery_id = int(time() * 1000), str(uuid4())
    event = Event(
        id=str(uuid4()),
        event=EventKind.TEST,
        at=datetime.fromtimestamp(now / 1000, UTC),
        data={"msg": "This is a test: the channel works."},
    )
    async with db.writing():
        await events.keep(event, now)
        await db.rows(
            "INSERT INTO deliveries (id, event_id, channel_id, at_ms, next_at_ms, created_ms)"
            " VALUES (?1, ?2, ?3, ?4, ?4, ?4)",
            delivery_id,
            event.id,
            channel_id,
            now,
        )
    return delivery_id


async def outcome(delivery_id: str) -> Outcome:
    """How far the delivery got."""
    found = await db.rows("SELECT state, error FROM deliveries WHERE id = ?1", delivery_id)
    return Outcome(found[0]["state"], found[0]["error"]) if found else Outcome("dead", "the channel was deleted")


async def give_up(delivery_id: str) -> None:
    """Nobody waits for this test any more: it must not arrive later."""
    await db.rows(
        "UPDATE deliveries SET state = 'dead', error = 'nobody took it in time' WHERE id = ?1 AND state = 'pending'",
        delivery_id,
    )
