"""Deliveries: one event to one channel, with every attempt to send it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from schema.events import EventKind
from schema.field_types import Uuid

DeliveryState = Literal["pending", "sending", "sent", "dead", "suppressed"]
DeliveryId = Annotated[str, Meta(max_length=36)]


class Delivery(Struct, frozen=True, kw_only=True):
    """One event for one channel. `id` is the idempotency key and the same on every attempt."""

    id: Uuid
    event_id: str
    event: EventKind
    event_at: datetime
    channel_id: Uuid
    monitor_id: Uuid | None
    incident_id: Uuid | None
    state: Annotated[
        str, Meta(description="pending, sending, sent, dead (given up) or suppressed (not sent on purpose).")
    ]
    attempt_count: Annotated[int, Meta(description="How many times it was attempted.")]
    next_attempt_at: Annotated[datetime | None, Meta(description="When a pending delivery is attempted next.")]
    error: Annotated[str, Meta(description="Why the delivery is dead, suppressed or still pending.")]
    digest_id: Annotated[
        str | None, Meta(description="The delivery whose message, a digest, also contains this event.")
    ]
    created_at: datetime
    sent_at: datetime | None


class DeliveryAttempt(Struct, frozen=True, kw_only=True):
    """One attempt to send a delivery, and its result."""

    attempt: int
    at: datetime
    took: Annotated[float, Meta(description="Duration of the attempt, in seconds.")]
    state: Annotated[
        str, Meta(description="State of the delivery after this attempt. pending: it failed and is tried again.")
    ]
    error: str


class DeliveryDetail(Struct, frozen=True, kw_only=True):
    """A delivery with its event data and every finished attempt, oldest first."""

    delivery: Delivery
    data: Annotated[dict[str, Any], Meta(description="The event's data.")]
    attempts: list[DeliveryAttempt]


class ResendRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Selects dead deliveries to send again: those that match every given field, at most 1,000."""

    ids: Annotated[list[DeliveryId], Meta(min_length=1, max_length=1_000)] | UnsetType = UNSET
    channel_id: str | None = None
    monitor_id: str | None = None
    incident_id: str | None = None
    event: EventKind | None = None


class ResendResult(Struct, frozen=True):
    """How many deliveries were queued again."""

    count: int
