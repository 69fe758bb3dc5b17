"""Deliveries: one event to one channel, with every attempt to send it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from schema.events import EventKind
from schema.field_types import Uuid

DeliveryState = Literal["pending", "sending", "sent", "dead", "suppressed"]
DeliveryId = Annotated[str, Meta(max_length=36)]


class ReasonCode(StrEnum):
    """Why a delivery waits, is suppressed or is dead. `error` has the same in words."""

    QUIET_HOURS = "quiet_hours"
    MIN_OUTAGE = "min_outage"
    PARENT_CHECK = "parent_check"
    DIGEST = "digest"
    PARENT_DOWN = "parent_down"
    GROUP_ALERTS = "group_alerts"
    MEMBERS_ALERT = "members_alert"
    RECOVERED_EARLY = "recovered_early"
    RECOVERED_WITH_PARENT = "recovered_with_parent"
    NOT_ALERTED = "not_alerted"
    ALERTED_MEANWHILE = "alerted_meanwhile"
    COLLAPSED_INTO_RECOVERY = "collapsed_into_recovery"
    COLLAPSED_INTO_REMINDER = "collapsed_into_reminder"
    SUPERSEDED = "superseded"
    CHANNEL_INACTIVE = "channel_inactive"
    CHANNEL_DELETED = "channel_deleted"
    CHANNEL_DISABLED = "channel_disabled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    TEST_FAILED = "test_failed"
    TEST_TIMED_OUT = "test_timed_out"


class RecipientOutcome(StrEnum):
    """How an attempt went for one recipient."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # for good
    LATER = "later"  # it is sent again


class RecipientResult(Struct, frozen=True, kw_only=True):
    """How an attempt went for one of several recipients."""

    recipient: Annotated[str, Meta(description="The address, number or group, as it is in the channel's config.")]
    outcome: Annotated[
        RecipientOutcome,
        Meta(
            description="accepted: the provider took the message. refused: the provider refuses this recipient for"
            " good, and the message is not sent to it again. later: it is sent to this recipient again."
        ),
    ]
    reason: Annotated[
        str, Meta(description="The provider's answer for this recipient. Empty when it took the message.")
    ] = ""


class Delivery(Struct, frozen=True, kw_only=True):
    """One event for one channel. `id` is the idempotency key and the same on every attempt."""

    id: Uuid
    event_id: str
    event: EventKind
    event_at: datetime
    channel_id: Annotated[Uuid, Meta(description="Id of the notification channel or webhook.")]
    channel_name: Annotated[
        str,
        Meta(
            description="Name of the channel; when the channel was deleted, the name that it had last."
            " Viewers get an empty name for webhooks."
        ),
    ]
    channel_type: Annotated[
        str, Meta(description="Type of the channel, such as `slack`; `webhook` for channels of this type and webhooks.")
    ]
    channel_deleted_at: Annotated[
        datetime | None, Meta(description="When the channel was deleted; null while it exists.")
    ]
    monitor_id: Uuid | None
    incident_id: Uuid | None
    state: Annotated[
        str, Meta(description="pending, sending, sent, dead (given up) or suppressed (not sent on purpose).")
    ]
    attempt_count: Annotated[int, Meta(description="How many times it was attempted.")]
    next_attempt_at: Annotated[datetime | None, Meta(description="When a pending delivery is attempted next.")]
    reason_code: Annotated[
        ReasonCode | None, Meta(description="Why it waits, is suppressed or is dead; null: for no such reason.")
    ]
    error: Annotated[
        str,
        Meta(
            description="The reason in words, or the error of the newest attempt. Of a sent delivery: that some of its"
            " recipients were not reached."
        ),
    ]
    digest_id: Annotated[
        str | None, Meta(description="The delivery whose message, a digest, also contains this event.")
    ]
    created_at: datetime
    sent_at: Annotated[
        datetime | None,
        Meta(
            description="When the provider accepted it. Of several recipients, when it did for the first one: the"
            " delivery may still be pending for others."
        ),
    ]


class DeliveryAttempt(Struct, frozen=True, kw_only=True):
    """One attempt to send a delivery, and its result."""

    attempt: int
    at: datetime
    took: Annotated[float, Meta(description="Duration of the attempt, in seconds.")]
    state: Annotated[
        str, Meta(description="State of the delivery after this attempt. pending: it failed and is tried again.")
    ]
    error: str
    recipients: Annotated[
        list[RecipientResult],
        Meta(
            description="How the attempt went for each recipient, where a channel has several of its own (smtp,"
            " sendgrid, signal). Recipients that an earlier attempt settled are in that attempt. Shown to everybody"
            " who sees the channel's config, which names them too."
        ),
    ] = []


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
