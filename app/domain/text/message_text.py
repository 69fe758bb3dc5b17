"""What people read: a title, a text and a mood for every event. Pure; knows no provider and escapes nothing."""

from msgspec import Struct

from app.domain.text import digest
from app.domain.text.details import name_of
from app.domain.text.formatting import (
    NAME_LIMIT,
    TEXT_LIMIT,
    TITLE_LIMIT,
    instant_of,
    length_of,
    named,
    one_line,
    roughly,
)
from app.domain.text.titles import Mood, story_of
from schema.events import EventKind
from schema.message import Message

__all__ = [
    "NAME_LIMIT",
    "TEXT_LIMIT",
    "TITLE_LIMIT",
    "Mood",
    "Words",
    "instant_of",
    "length_of",
    "name_of",
    "one_line",
    "words_of",
]


class Words(Struct, frozen=True):
    """Title: one line, names the monitor. Text: some lines, joined by newlines, never empty."""

    title: str
    text: str
    mood: Mood


def words_of(message: Message, *, with_link: bool = True) -> Words:
    """Say it in plain words, in the channel's own where it has some.

    with_link    whether the text ends with where to acknowledge; False for who makes a button of `ack_url`
    """
    told = _together(message) if message.others else _alone(message)
    title = one_line(message.title, TITLE_LIMIT) or told.title
    lines = [_late(message), *told.lines, _link(message) if with_link else ""]
    return Words(_as_test(title, message), message.text or "\n".join(line for line in lines if line), told.mood)


class _Told(Struct, frozen=True):
    title: str
    mood: Mood
    lines: list[str]


def _alone(message: Message) -> _Told:
    story = story_of(message)
    return _Told(one_line(story.title, TITLE_LIMIT), story.mood, [*story.told, _reason(message), _seen(message)])


def _together(message: Message) -> _Told:
    messages = digest.gathered(message)
    if len(messages) == 1:
        return _alone(messages[0])
    lines = digest.lines_for(messages)
    return _Told(digest.title_of(messages), digest.mood_of(messages), [*lines, _seen(message)])


def _reason(message: Message) -> str:
    """What the check, or whoever reports it, says; shorter where a link needs the room."""
    return one_line(message.msg, TEXT_LIMIT - len(_link(message))) or named(message.facts.get("error"))


def _as_test(title: str, message: Message) -> str:
    return f"[Test] {title}" if message.test and message.event is not EventKind.TEST else title


def _late(message: Message) -> str:
    return "" if message.late_s is None else f"Late: this happened {roughly(message.late_s)} ago."


def _link(message: Message) -> str:
    return f"Acknowledge: {message.ack_url}" if message.ack_url else ""


def _seen(message: Message) -> str:
    """When it was seen, and how fast the answer was."""
    ping = "" if message.ping_ms is None or message.others else f" · {message.ping_ms:.0f} ms"
    return f"{instant_of(message.at)}{ping}"
