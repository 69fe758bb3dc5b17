"""What crosses the WebSocket, both ways; the messages of the live API."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from schema.errors import ErrorBody
from schema.heartbeats import Heartbeat
from schema.status import Role

Channels = Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(min_length=1, max_length=100)]


class Auth(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="auth"):
    """Signs in, within five seconds, when no cookie or header did."""

    token: Annotated[str, Meta(min_length=1, max_length=4_096, description="What `Authorization: Bearer` would carry.")]


class Subscribe(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="subscribe"):
    """Asks for channels; with `since`, also for what Redis still holds after a number: one for all, or one for each."""

    channels: Channels
    since: Annotated[int, Meta(ge=0)] | dict[str, Annotated[int, Meta(ge=0)]] | UnsetType = UNSET


class Unsubscribe(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="unsubscribe"):
    """Gives channels back."""

    channels: Channels


class PingFrame(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="ping"):
    """Is anybody there."""

    timestamp: int | float | str | None = None


Incoming = Auth | Subscribe | Unsubscribe | PingFrame


class Authenticated(Struct, frozen=True, kw_only=True, tag_field="type", tag="authenticated"):
    """The answer to `auth`: who is signed in. Those who came with a cookie or a header are not told."""

    username: str
    role: Role


class Subscribed(Struct, frozen=True, kw_only=True, tag_field="type", tag="subscribed"):
    """The channels that are now followed, with the newest sequence number of each."""

    channels: list[str]
    seq: dict[str, int] = {}


class Unsubscribed(Struct, frozen=True, kw_only=True, tag_field="type", tag="unsubscribed"):
    """The channels that are no longer followed."""

    channels: list[str]


class PongFrame(Struct, frozen=True, kw_only=True, tag_field="type", tag="pong"):
    """Echoes the ping's timestamp."""

    timestamp: int | float | str | None = None


class GapFrame(Struct, frozen=True, kw_only=True, tag_field="type", tag="gap"):
    """Messages of a channel are gone, those with after < seq < before: read the facts over HTTP."""

    channel: str
    after: int
    before: int


class ErrorFrame(Struct, frozen=True, kw_only=True, tag_field="type", tag="error"):
    """A message we will not act on; the socket stays."""

    error: ErrorBody


class HeartbeatFrame(Struct, frozen=True, kw_only=True, tag_field="type", tag="heartbeats"):
    """Heartbeats that were stored together; on `monitor:<id>` those of that monitor, under the same number."""

    seq: int
    channel: str
    timestamp: datetime
    data: list[Heartbeat]


class EventFrame(Struct, frozen=True, kw_only=True, tag_field="type", tag="event"):
    """One event of the catalogue."""

    seq: int
    channel: str
    timestamp: datetime
    event: str
    data: dict[str, Any]
    id: str
    monitor_id: str | None = None


Outgoing = Authenticated | Subscribed | Unsubscribed | PongFrame | GapFrame | ErrorFrame | HeartbeatFrame | EventFrame
