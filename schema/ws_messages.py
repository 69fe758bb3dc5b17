"""Messages of the live API, in both directions of the WebSocket."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from schema.errors import ErrorBody
from schema.heartbeats import Heartbeat
from schema.status import Role

Channels = Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(min_length=1, max_length=100)]


class Auth(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="auth"):
    """Authenticates within five seconds, when no cookie or header did."""

    token: Annotated[
        str, Meta(min_length=1, max_length=4_096, description="JWT or API key, as for `Authorization: Bearer`.")
    ]


class Subscribe(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="subscribe"):
    """Subscribes to channels; `since` also replays what Redis holds after a number: one for all, or one per channel."""

    channels: Channels
    since: Annotated[int, Meta(ge=0)] | dict[str, Annotated[int, Meta(ge=0)]] | UnsetType = UNSET


class Unsubscribe(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="unsubscribe"):
    """Unsubscribes from channels."""

    channels: Channels


class PingFrame(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="ping"):
    """Asks for a `pong`."""

    timestamp: int | float | str | None = None


Incoming = Auth | Subscribe | Unsubscribe | PingFrame


class Authenticated(Struct, frozen=True, kw_only=True, tag_field="type", tag="authenticated"):
    """The response to `auth`: who is signed in. Not sent after a cookie or a header."""

    username: str
    role: Role


class Subscribed(Struct, frozen=True, kw_only=True, tag_field="type", tag="subscribed"):
    """The channels now subscribed to, with the newest sequence number of each."""

    channels: list[str]
    seq: dict[str, int] = {}


class Unsubscribed(Struct, frozen=True, kw_only=True, tag_field="type", tag="unsubscribed"):
    """The channels no longer subscribed to."""

    channels: list[str]


class PongFrame(Struct, frozen=True, kw_only=True, tag_field="type", tag="pong"):
    """The response to `ping`, with its timestamp."""

    timestamp: int | float | str | None = None


class GapFrame(Struct, frozen=True, kw_only=True, tag_field="type", tag="gap"):
    """Messages with after < seq < before of a channel are lost: fetch the current state over HTTP."""

    channel: str
    after: int
    before: int


class ErrorFrame(Struct, frozen=True, kw_only=True, tag_field="type", tag="error"):
    """An invalid message; the socket stays open."""

    error: ErrorBody


class HeartbeatFrame(Struct, frozen=True, kw_only=True, tag_field="type", tag="heartbeats"):
    """Heartbeats that were stored together; on `monitor:<id>` only those of that monitor, with the same `seq`."""

    seq: int
    channel: str
    timestamp: datetime
    data: list[Heartbeat]


class EventFrame(Struct, frozen=True, kw_only=True, tag_field="type", tag="event"):
    """One event."""

    seq: int
    channel: str
    timestamp: datetime
    event: str
    data: dict[str, Any]
    id: str
    monitor_id: str | None = None


Outgoing = Authenticated | Subscribed | Unsubscribed | PongFrame | GapFrame | ErrorFrame | HeartbeatFrame | EventFrame
