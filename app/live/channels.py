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
MONITOR = "monitor:"
BEATS = ("heartbeats:read", "monitors:read")  # a scope of either noun shows heartbeats


class Feed(Struct, frozen=True, kw_only=True):
    """A kind of channel.

    shown    as people write it
    fits     the channels of this kind
    scopes   one of which an API key that is narrowed needs
    source   whose messages it carries; sources have a counter and a tape in Redis
    """

    shown: str
    fits: re.Pattern[str]
    source: str
    least: Role
    scopes: tuple[str, ...]


FEEDS = (
    Feed(shown="heartbeats", fits=re.compile("heartbeats"), source=HEARTBEATS, least=Role.VIEWER, scopes=BEATS),
    Feed(
        shown="monitor:<id>",
        fits=re.compile(MONITOR + "[0-9a-f-]{36}"),
        source=HEARTBEATS,
        least=Role.VIEWER,
        scopes=BEATS,
    ),
    Feed(shown="events", fits=re.compile("events"), source=EVENTS, least=Role.VIEWER, scopes=("monitors:read",)),
    Feed(
        shown="incidents",
        fits=re.compile("incidents"),
        source=INCIDENTS,
        least=Role.VIEWER,
        scopes=("incidents:read",),
    ),
)
SOURCES: dict[str, int] = {
    HEARTBEATS: 500,
    EVENTS: 1_000,
    INCIDENTS: 500,
}  # messages kept; a full batch of heartbeats is 25 kB


def allowed(
    principal: Principal, channels: Iterable[str], known: Sequence[Feed] = FEEDS
) -> tuple[list[str], list[Refusal]]:
    """Those somebody may follow, and why not each of the others; every channel once."""
    found: list[str] = []
    refused: list[Refusal] = []
    for channel in dict.fromkeys(channels):
        try:
            require(principal, channel, known)
        except Refusal as refusal:
            refusal.details["channel"] = channel
            refused.append(refusal)
        else:
            found.append(channel)
    return found, refused


def require(principal: Principal, channel: str, known: Sequence[Feed] = FEEDS) -> None:
    """Let somebody follow a channel. Raises Invalid for one that is unknown, Forbidden for one that needs more."""
    feed = feed_of(channel, known)
    if not principal.role.covers(feed.least):
        message = f"The channel {channel!r} needs the role {feed.least}; you are {principal.role}."
        raise Forbidden(message, needs=str(feed.least))
    authorization.require_scope(principal, feed.scopes)


def feed_of(channel: str, known: Sequence[Feed] = FEEDS) -> Feed:
    """The kind of a channel. Raises Invalid for one there is not."""
    for feed in known:
        if feed.fits.fullmatch(channel):
            return feed
    shown = ", ".join(feed.shown for feed in known)
    raise Invalid.one("channels", f"There is no channel {channel!r}. The channels are: {shown}.")


def monitor_channel(monitor_id: str | UUID) -> str:
    """The channel that carries one monitor's heartbeats."""
    return f"{MONITOR}{monitor_id}"
