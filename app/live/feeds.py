"""The live channels there are: what each carries, and the least role for it. A new kind is one more row in `FEEDS`."""

import re
from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from app.errors import Forbidden, Invalid
from schema.status import Role

HEARTBEATS, EVENTS = "heartbeats", "events"
MONITOR = "monitor:"


class Feed(Struct, frozen=True, kw_only=True):
    """A kind of channel.

    shown    as people write it
    fits     the channels of this kind
    source   whose messages it carries; sources have a counter and a tape in Redis
    """

    shown: str
    fits: re.Pattern[str]
    source: str
    least: Role


FEEDS = (
    Feed(shown="heartbeats", fits=re.compile("heartbeats"), source=HEARTBEATS, least=Role.VIEWER),
    Feed(shown="monitor:<id>", fits=re.compile(MONITOR + "[0-9a-f-]{36}"), source=HEARTBEATS, least=Role.VIEWER),
    Feed(shown="events", fits=re.compile("events"), source=EVENTS, least=Role.VIEWER),
)
SOURCES: dict[str, int] = {HEARTBEATS: 500, EVENTS: 1_000}  # messages kept; a full batch of heartbeats is 25 kB


def feed_of(channel: str, known: Sequence[Feed] = FEEDS) -> Feed:
    """The kind of a channel. Raises Invalid for one there is not."""
    for feed in known:
        if feed.fits.fullmatch(channel):
            return feed
    shown = ", ".join(feed.shown for feed in known)
    raise Invalid.one("channels", f"There is no channel {channel!r}. The channels are: {shown}.")


def allow(role: Role, channels: list[str], known: Sequence[Feed] = FEEDS) -> None:
    """Let somebody follow channels: all of them, or raise for the first that is unknown or needs another role."""
    for channel in channels:
        least = feed_of(channel, known).least
        if not role.covers(least):
            raise Forbidden(f"The channel {channel!r} needs the role {least}; you are {role}.", needs=str(least))


def monitor_channel(monitor_id: str | UUID) -> str:
    """The channel that carries one monitor's heartbeats."""
    return f"{MONITOR}{monitor_id}"
