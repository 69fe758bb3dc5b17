"""The live channels there are: what each carries, and the least role for it. A new kind is one more row in `FEEDS`."""

import re
from collections.abc import Iterable, Sequence
from uuid import UUID

from msgspec import Struct

from app.errors import Forbidden, Invalid, Refusal
from app.security.auth import authorization
from schema.status import Role
from schema.users import Principal

HEARTBEATS, EVENTS, INCIDENTS = "heartbeats", "events", "incidents"
MONITOR_PREFIX = "monitor:"
HEARTBEAT_SCOPES = ("heartbeats:read", "monitors:read")  # a scope of either noun shows heartbeats


class ChannelKind(Struct, frozen=True, kw_only=True):
    """A kind of channel.

    shown    as people write it
    fits     the channels of this kind
    scopes   one of which an API key that is narrowed needs
    source   whose messages it carries; sources have a counter and a tape in Redis
    """

    label: str
    pattern: re.Pattern[str]
    source: str
    min_role: Role
    scopes: tuple[str, ...]


CHANNEL_KINDS = (
    ChannelKind(
        label="heartbeats",
        pattern=re.compile("heartbeats"),
        source=HEARTBEATS,
        min_role=Role.VIEWER,
        scopes=HEARTBEAT_SCOPES,
    ),
    ChannelKind(
        label="monitor:<id>",
        pattern=re.compile(MONITOR_PREFIX + "[0-9a-f-]{36}"),
        source=HEARTBEATS,
        min_role=Role.VIEWER,
        scopes=HEARTBEAT_SCOPES,
    ),
    ChannelKind(
        label="events", pattern=re.compile("events"), source=EVENTS, min_role=Role.VIEWER, scopes=("monitors:read",)
    ),
    ChannelKind(
        label="incidents",
        pattern=re.compile("incidents"),
        source=INCIDENTS,
        min_role=Role.VIEWER,
        scopes=("incidents:read",),
    ),
)
SOURCES: dict[str, int] = {
    HEARTBEATS: 500,
    EVENTS: 1_000,
    INCIDENTS: 500,
}  # messages kept; a full batch of heartbeats is 25 kB


def allowed_channels(
    principal: Principal, channels: Iterable[str], kinds: Sequence[ChannelKind] = CHANNEL_KINDS
) -> tuple[list[str], list[Refusal]]:
    """Those somebody may follow, and why not each of the others; every channel once."""
    found: list[str] = []
    refused: list[Refusal] = []
    for channel in dict.fromkeys(channels):
        try:
            require_access(principal, channel, kinds)
        except Refusal as refusal:
            refusal.details["channel"] = channel
            refused.append(refusal)
        else:
            found.append(channel)
    return found, refused


def require_access(principal: Principal, channel: str, kinds: Sequence[ChannelKind] = CHANNEL_KINDS) -> None:
    """Let somebody follow a channel. Raises Invalid for one that is unknown, Forbidden for one that needs more."""
    feed = kind_of(channel, kinds)
    if not principal.role.covers(feed.min_role):
        message = f"The channel {channel!r} needs the role {feed.min_role}; you are {principal.role}."
        raise Forbidden(message, needs=str(feed.min_role))
    authorization.require_scope(principal, feed.scopes)


def kind_of(channel: str, kinds: Sequence[ChannelKind] = CHANNEL_KINDS) -> ChannelKind:
    """The kind of a channel. Raises Invalid for one there is not."""
    for feed in kinds:
        if feed.pattern.fullmatch(channel):
            return feed
    shown = ", ".join(feed.label for feed in kinds)
    raise Invalid.for_field("channels", f"There is no channel {channel!r}. The channels are: {shown}.")


def monitor_channel(monitor_id: str | UUID) -> str:
    """The channel that carries one monitor's heartbeats."""
    return f"{MONITOR_PREFIX}{monitor_id}"
