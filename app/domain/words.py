"""What people read: a title, a text and a mood for every event. Pure; knows no provider and escapes nothing."""

import re
from datetime import UTC, datetime
from enum import StrEnum

from msgspec import Struct

from schema.events import EventKind
from schema.notices import Message
from schema.status import Status

NAME_LIMIT, TITLE_LIMIT, TEXT_LIMIT = (
    150,
    200,
    1_500,
)  # characters; every provider takes this much even when each one is escaped
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")  # also what turns text around


class Mood(StrEnum):
    """How a message feels; providers turn it into a colour, an emoji or a priority."""

    BAD = "bad"
    GOOD = "good"
    WARNING = "warning"
    NEUTRAL = "neutral"


class Words(Struct, frozen=True):
    """Title: one line, names the monitor. Text: some lines, joined by newlines, never empty."""

    title: str
    text: str
    mood: Mood


# event → how it goes on after the monitor's name, and its mood
_STORIES: dict[EventKind, tuple[str, Mood]] = {
    EventKind.MONITOR_DOWN: ("is down", Mood.BAD),
    EventKind.MONITOR_UP: ("is up", Mood.GOOD),
    EventKind.MONITOR_DEGRADED: ("is degraded", Mood.WARNING),
    EventKind.MONITOR_UNKNOWN: ("could not be checked", Mood.WARNING),
    EventKind.MONITOR_CREATED: ("was created", Mood.NEUTRAL),
    EventKind.MONITOR_UPDATED: ("was changed", Mood.NEUTRAL),
    EventKind.MONITOR_DELETED: ("was deleted", Mood.NEUTRAL),
    EventKind.MONITOR_PAUSED: ("was paused", Mood.NEUTRAL),
    EventKind.MONITOR_RESUMED: ("was resumed", Mood.NEUTRAL),
    EventKind.SCHEDULE_LAG: ("Watchkeeper is behind its schedule", Mood.WARNING),
    EventKind.TEST: ("Test message from Watchkeeper", Mood.NEUTRAL),
}


def words_of(message: Message) -> Words:
    """Say it in plain words."""
    story, mood = _STORIES.get(message.event, (str(message.event), Mood.NEUTRAL))
    title = f"{name_of(message)} {story}{_but(message)}" if message.monitor else story
    title = one_line(message.title, TITLE_LIMIT) or title
    lines = [line for line in (_told(message), one_line(message.msg, TEXT_LIMIT), _seen(message)) if line]
    return Words(_as_test(title, message), message.text or "\n".join(lines), mood)


def name_of(message: Message) -> str:
    """The monitor's name on one line; a monitor without one goes by its id."""
    if message.monitor is None:
        return ""
    return one_line(message.monitor.name, NAME_LIMIT) or message.monitor.id


def length_of(duration_s: float) -> str:
    """A span as people say it, its two largest units: `3 min 12 s`, `1 d 4 h`."""
    if duration_s < 1:
        return "less than a second"
    left, parts = int(duration_s), list[str]()
    for seconds, unit in _UNITS:
        count, left = divmod(left, seconds)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
    return " ".join(part for part in parts[:2] if part)


def one_line(text: str, limit: int) -> str:
    """The text without line breaks, control characters and what hides or turns letters; cut at `limit` characters."""
    flat = _UNSEEN.sub(" ", text).strip()
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def instant_of(at: datetime) -> str:
    """An instant to the second, in UTC, which is what every reader of one channel shares."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _as_test(title: str, message: Message) -> str:
    return f"[Test] {title}" if message.test and message.event is not EventKind.TEST else title


def _but(message: Message) -> str:
    """A recovery that is not yet a full one."""
    slow = message.event is EventKind.MONITOR_UP and message.status is Status.DEGRADED
    return ", but degraded" if slow else ""


def _told(message: Message) -> str:
    """The sentence that the event itself adds: how long, or why we ask nobody to act."""
    if message.event is EventKind.MONITOR_UP and message.duration_s is not None:
        return f"It was down for {length_of(message.duration_s)}."
    if message.event is EventKind.MONITOR_DOWN and message.started_at is not None:
        return f"Down since {instant_of(message.started_at)}{_so_far(message, message.started_at)}."
    if message.event is EventKind.MONITOR_UNKNOWN:
        return "The fault is on our side, or on the way: nothing is known about the target."
    if message.event is EventKind.TEST and not message.msg:
        return "This channel works."
    return ""


def _so_far(message: Message, started_at: datetime) -> str:
    """How long an outage has lasted when it is told again; a fresh one needs no number."""
    lasted_s = (message.at - started_at).total_seconds()
    return f", for {length_of(lasted_s)}" if lasted_s >= 60 else ""  # noqa: PLR2004 - a minute


def _seen(message: Message) -> str:
    """When it was seen, and how fast the answer was."""
    ping = "" if message.ping_ms is None else f" · {message.ping_ms:.0f} ms"
    return f"{instant_of(message.at)}{ping}"
