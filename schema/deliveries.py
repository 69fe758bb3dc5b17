"""Deliveries: events on their way to channels, and every try to get them there."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from schema.events import EventKind
from schema.field_types import Uuid

DeliveryState = Literal["pending", "sending", "sent", "dead", "suppressed"]
DeliveryId = Annotated[str, Meta(max_length=36)]


class Delivery(Struct, frozen=True, kw_only=True):
    """One event on its way to one channel. `id` is the idempotency key: the same on every attempt."""

    id: Uuid
    event_id: str
    event: EventKind
    event_at: datetime
    channel_id: Uuid
    monitor_id: Uuid | None
    incident_id: Uuid | None
    state: Annotated[str, Meta(description="pending, sending, sent, dead or suppressed: not told on purpose.")]
    attempts: int
    next_attempt_at: Annotated[datetime | None, Meta(description="Of a pending one.")]
    error: Annotated[str, Meta(description="Why it is dead, suppressed, or not there yet.")]
    carrier_id: Annotated[str | None, Meta(description="The delivery whose message tells this one, too.")]
    created_at: datetime
    sent_at: datetime | None


class DeliveryAttempt(Struct, frozen=True, kw_only=True):
    """One try of a delivery, and how it went."""

    attempt: int
    at: datetime
    took: Annotated[float, Meta(description="Seconds.")]
    state: Annotated[str, Meta(description="The delivery's after it; pending: it failed for now.")]
    error: str


class DeliveryDetail(Struct, frozen=True, kw_only=True):
    """A delivery with what it tells, and every try that was answered or given up, oldest first."""

    delivery: Delivery
    data: Annotated[dict[str, Any], Meta(description="The event's facts.")]
    tries: list[DeliveryAttempt]


class ResendRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which dead deliveries to send again: all that fit, without `ids` whichever they are; at most 1,000 of them."""

    ids: Annotated[list[DeliveryId], Meta(min_length=1, max_length=1_000)] | UnsetType = UNSET
    channel_id: str | None = None
    monitor_id: str | None = None
    incident_id: str | None = None
    event: EventKind | None = None


class ResendResult(Struct, frozen=True):
    """How many deliveries were put on their way again."""

    count: int
