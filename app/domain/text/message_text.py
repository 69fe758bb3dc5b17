"""What people read: a title, a text and a mood for every event. Pure; knows no provider and escapes nothing."""

from msgspec import Struct

from app.domain.parsing.plain_text import one_line
from app.domain.text import digest
from app.domain.text.details import monitor_name_of
from app.domain.text.formatting import (
    NAME_LIMIT,
    TEXT_LIMIT,
    TITLE_LIMIT,
    format_duration,
    format_instant,
    format_rough_duration,
    parse_name,
)
from app.domain.text.titles import Severity, event_text
from schema.events import EventKind
from schema.message import Message

__all__ = [
    "NAME_LIMIT",
    "TEXT_LIMIT",
    "TITLE_LIMIT",
    "MessageText",
    "Severity",
    "compose_text",
    "format_duration",
    "format_instant",
    "monitor_name_of",
    "one_line",
]


class MessageText(Struct, frozen=True):
    """Title: one line, names the monitor. Text: some lines, joined by newlines, never empty."""

    title: str
    text: str
    severity: Severity


def compose_text(message: Message, *, with_link: bool = True) -> MessageText:
    """Say it in plain words, in the channel's own where it has some.

    with_link    whether the text ends with where to acknowledge; False for who makes a button of `ack_url`
    """
    told = _digest_text(message) if message.merged else _single_text(message)
    title = one_line(message.title, TITLE_LIMIT) or told.title
    lines = [_late_line(message), *told.lines, _ack_line(message) if with_link else ""]
    return MessageText(
        _mark_test(title, message), message.text or "\n".join(line for line in lines if line), told.severity
    )


class _TextParts(Struct, frozen=True):
    title: str
    severity: Severity
    lines: list[str]


def _single_text(message: Message) -> _TextParts:
    story = event_text(message)
    return _TextParts(
        one_line(story.title, TITLE_LIMIT), story.severity, [*story.details, _reason(message), _time_line(message)]
    )


def _digest_text(message: Message) -> _TextParts:
    messages = digest.digest_members(message)
    if len(messages) == 1:
        return _single_text(messages[0])
    lines = digest.digest_lines(messages)
    return _TextParts(digest.digest_title(messages), digest.digest_severity(messages), [*lines, _time_line(message)])


def _reason(message: Message) -> str:
    """What the check, or whoever reports it, says; shorter where a link needs the room."""
    return one_line(message.msg, TEXT_LIMIT - len(_ack_line(message))) or parse_name(message.facts.get("error"))


def _mark_test(title: str, message: Message) -> str:
    return f"[Test] {title}" if message.test and message.event is not EventKind.TEST else title


def _late_line(message: Message) -> str:
    return "" if message.late_s is None else f"Late: this happened {format_rough_duration(message.late_s)} ago."


def _ack_line(message: Message) -> str:
    return f"Acknowledge: {message.ack_url}" if message.ack_url else ""


def _time_line(message: Message) -> str:
    """When it was seen, and how fast the answer was."""
    ping = "" if message.ping_ms is None or message.merged else f" · {message.ping_ms:.0f} ms"
    return f"{format_instant(message.at)}{ping}"
