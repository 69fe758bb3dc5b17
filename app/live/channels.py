"""The kinds of live channels, their messages and required roles. To add a kind, add a row to `CHANNEL_KINDS`."""

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
HEARTBEAT_SCOPES = ("heartbeats:read", "monitors:read")  # either scope is enough


class ChannelKind(Struct, frozen=True, kw_only=True):
    """A kind of channel.

    label       how the kind is written in messages
    pattern     matches the channels of this kind
    source      the source of its messages; each source has a counter and a replay buffer in Redis
    scopes      an API key with restricted scopes needs one of these
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
# messages in the replay buffer; a full batch of heartbeats is 25 kB
SOURCES: dict[str, int] = {HEARTBEATS: 500, EVENTS: 1_000, INCIDENTS: 500}


def allowed_channels(
    principal: Principal, channels: Iterable[str], kinds: Sequence[ChannelKind] = CHANNEL_KINDS
) -> tuple[list[str], list[Refusal]]:
    """The channels a principal may follow, and a refusal for each of the others; duplicates removed."""
    allowed: list[str] = []
    refused: list[Refusal] = []
    for channel in dict.fromkeys(channels):
        try:
            require_access(principal, channel, kinds)
        except Refusal as refusal:
            refusal.details["channel"] = channel
            refused.append(refusal)
        else:
            allowed.append(channel)
    return allowed, refused


def require_access(principal: Principal, channel: str, kinds: Sequence[ChannelKind] = CHANNEL_KINDS) -> None:
    """Raise Invalid for an unknown channel, Forbidden if the principal lacks the role or scope to follow it."""
    kind = kind_of(channel, kinds)
    if not principal.role.covers(kind.min_role):
        message = f"The channel {channel!r} needs the role {kind.min_role}; you are {principal.role}."
        raise Forbidden(message, needs=str(kind.min_role))
    authorization.require_scope(principal, kind.scopes)


def kind_of(channel: str, kinds: Sequence[ChannelKind] = CHANNEL_KINDS) -> ChannelKind:
    """The kind of a channel. Raises Invalid for an unknown one."""
    for kind in kinds:
        if kind.pattern.fullmatch(channel):
            return kind
    labels = ", ".join(kind.label for kind in kinds)
    raise Invalid.for_field("channels", f"There is no channel {channel!r}. The channels are: {labels}.")


def monitor_channel(monitor_id: str | UUID) -> str:
    """The channel that carries one monitor's heartbeats."""
    return f"{MONITOR_PREFIX}{monitor_id}"
