"""The title, text and severity of a message for people. Pure; independent of providers, and nothing is escaped."""

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
    """A title of one line that names the monitor, and a text of some lines that is never empty."""

    title: str
    text: str
    severity: Severity


def compose_text(message: Message, *, with_link: bool = True) -> MessageText:
    """The message in plain words, or in those of the channel's templates.

    with_link    whether the text ends with `ack_url`; False for providers that make a button of it
    """
    parts = _digest_text(message) if message.merged else _single_text(message)
    title = one_line(message.title, TITLE_LIMIT) or parts.title
    late = "" if message.late_s is None else f"Late: this happened {format_rough_duration(message.late_s)} ago."
    lines = [late, *parts.lines, _ack_line(message) if with_link else ""]
    if message.test and message.event is not EventKind.TEST:
        title = f"[Test] {title}"
    return MessageText(title, message.text or "\n".join(line for line in lines if line), parts.severity)


class _TextParts(Struct, frozen=True):
    title: str
    severity: Severity
    lines: list[str]


def _single_text(message: Message) -> _TextParts:
    event = event_text(message)
    lines = [*event.details, _reason(message), _time_line(message)]
    return _TextParts(one_line(event.title, TITLE_LIMIT), event.severity, lines)


def _digest_text(message: Message) -> _TextParts:
    messages = digest.digest_members(message)
    if len(messages) == 1:
        return _single_text(messages[0])
    lines = digest.digest_lines(messages)
    return _TextParts(digest.digest_title(messages), digest.digest_severity(messages), [*lines, _time_line(message)])


def _reason(message: Message) -> str:
    """The check's or the reporter's message; shorter when a link follows."""
    return one_line(message.msg, TEXT_LIMIT - len(_ack_line(message))) or parse_name(message.facts.get("error"))


def _ack_line(message: Message) -> str:
    return f"Acknowledge: {message.ack_url}" if message.ack_url else ""


def _time_line(message: Message) -> str:
    """When the event happened, and the response time."""
    ping = "" if message.ping_ms is None or message.merged else f" · {message.ping_ms:.0f} ms"
    return f"{format_instant(message.at, message.timezone)}{ping}"
