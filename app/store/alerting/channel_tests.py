"""Channel tests: an event with one delivery, stored like any other, so that it passes the same stages."""

from datetime import UTC, datetime
from uuid import uuid4

import msgspec
from msgspec import Struct, structs

from app import clock, db
from app.domain.alerting import reasons, sample_events
from app.domain.alerting.reasons import Reason
from schema.deliveries import ReasonCode
from schema.events import Event, EventKind


class ChannelTestStatus(Struct, frozen=True):
    """The state of a test's delivery: pending, sending, sent or dead."""

    state: str
    error: str


def sample_event(kind: EventKind = EventKind.TEST) -> Event:
    """An event with sample data that is marked as a test."""
    sample = sample_events.sample_event(kind)
    return structs.replace(
        sample, id=str(uuid4()), at=datetime.now(UTC), monitor_id=None, data=sample.data | {"test": True}
    )


async def create(channel_id: str, event: Event) -> str:
    """Store an event with a delivery to this channel only; returns the delivery's id."""
    now, delivery_id = clock.now_ms(), str(uuid4())
    async with db.transaction():
        await db.rows(
            "INSERT INTO events (id, kind, is_test, at_ms, data, created_ms) VALUES (?1, ?2, ?5, ?3, ?4, ?3)",
            event.id,
            str(event.event),
            now,
            msgspec.json.encode(event.data).decode(),
            event.is_test,
        )
        await db.rows(
            "INSERT INTO deliveries (id, event_id, channel_id, at_ms, next_attempt_ms, created_ms)"
            " VALUES (?1, ?2, ?3, ?4, ?4, ?4)",
            delivery_id,
            event.id,
            channel_id,
            now,
        )
    return delivery_id


async def get_status(delivery_id: str) -> ChannelTestStatus:
    """The state of the delivery."""
    found = await db.rows("SELECT state, error FROM deliveries WHERE id = ?1", delivery_id)
    if not found:
        return ChannelTestStatus("dead", "the channel was deleted")
    return ChannelTestStatus(found[0]["state"], found[0]["error"])


async def cancel(delivery_id: str) -> None:
    """Give up a test that is not being sent yet, so that it does not arrive later."""
    reason = Reason(ReasonCode.TEST_TIMED_OUT)
    await db.rows(
        "UPDATE deliveries SET state = 'dead', reason_code = ?2, error = ?3 WHERE id = ?1 AND state = 'pending'",
        delivery_id,
        reason.code.value,
        reasons.sentence(reason),
    )
