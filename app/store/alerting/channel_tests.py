"""Channel tests: an event with one delivery, stored like any other, so that it passes the same stages."""

from datetime import UTC, datetime
from uuid import uuid4

import msgspec
from msgspec import Struct, structs

from app import clock, db
from app.domain.alerting import reasons, sample_events
from app.domain.alerting.reasons import Reason
from app.store.tables.events import DeliveryRow, EventRow
from schema.deliveries import ReasonCode
from schema.events import Event, EventKind


class ChannelTestStatus(Struct, frozen=True):
    """The state of a test's delivery: pending, sending, sent, dead, or suppressed when the channel was deleted."""

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
        data = msgspec.json.encode(event.data).decode()
        await EventRow.insert(
            EventRow(id=event.id, kind=str(event.event), is_test=event.is_test, at_ms=now, data=data, created_ms=now)
        )
        row = DeliveryRow(
            id=delivery_id, event_id=event.id, channel_id=channel_id, at_ms=now, next_attempt_ms=now, created_ms=now
        )
        await DeliveryRow.insert(row)
    return delivery_id


async def get_status(delivery_id: str) -> ChannelTestStatus:
    """The state of the delivery."""
    found = await DeliveryRow.select(DeliveryRow.state, DeliveryRow.error).where(DeliveryRow.id == delivery_id).first()
    return ChannelTestStatus("dead", "the channel was deleted") if found is None else ChannelTestStatus(**found)


async def cancel(delivery_id: str) -> None:
    """Give up a test that is not being sent yet, so that it does not arrive later."""
    reason = Reason(ReasonCode.TEST_TIMED_OUT)
    await DeliveryRow.update(
        {
            DeliveryRow.state: "dead",
            DeliveryRow.reason_code: reason.code.value,
            DeliveryRow.error: reasons.sentence(reason),
        }
    ).where(DeliveryRow.id == delivery_id, DeliveryRow.state == "pending")
