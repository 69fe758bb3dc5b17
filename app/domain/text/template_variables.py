"""The variables of templates: the same for every channel and every event. Pure.

What an event has no value for is nil, so that `{% if ack_url %}` is false. Everything is plain JSON with single lines:
a monitor's name or a target's response can't add lines that look like ours.
"""

from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from app.domain.parsing.plain_text import one_line
from app.domain.text.details import monitor_name_of, outage_duration_s
from app.domain.text.event_values import incident_values, message_line, status_values, subject_name
from app.domain.text.formatting import (
    NAME_LIMIT,
    TEXT_LIMIT,
    format_duration,
    format_rough_duration,
    local_time,
    parse_instant,
)
from app.domain.text.message_text import compose_text
from schema.events import EventKind
from schema.message import Message
from schema.previews import TemplateVariable

MAX_GROUP_SIZE, MAX_FACTS, MAX_DEPTH = 50, 50, 4
OPEN_ENDED = frozenset({"data", "group"})
DIGEST_NAMES = frozenset({"title", "text", "group"})  # those that show more than the newest event of a digest
_RARE = frozenset({"ack_url", "late", "late_words"})  # in few messages of any event
OF_CHECKS = frozenset({"ping", "heartbeat.ping"})  # nil when a check got no response
_CHECK_EVENTS = frozenset({
    EventKind.MONITOR_DOWN, EventKind.MONITOR_UP, EventKind.MONITOR_DEGRADED, EventKind.MONITOR_UNKNOWN
})  # fmt: skip

_DESCRIPTIONS = {
    "event": "the event's name, such as `monitor.down`",
    "title": "the default title",
    "text": "the default text, some lines",
    "name": "what the event is about: a monitor, certificate, domain, maintenance window, backend …, or Watchkeeper",
    "monitor": "the monitor, as it was when the event happened; nil for events without one",
    "monitor.id": "its id",
    "monitor.name": "its name",
    "monitor.type": "its type, such as `http`",
    "status": "the monitor's: DOWN, UP, PENDING, MAINTENANCE, DEGRADED or UNKNOWN; for others a word such as EXPIRING",
    "status_code": "the same as a number, from 0 to 5; by the event's severity if it has no status of a monitor",
    "status_icon": "the same as an icon",
    "status_color": "the same as a colour, a number",
    "msg": "the message of the check or the report; for others the default title and details",
    "ping": "the response time in milliseconds; nil when a check got no response",
    "at": "when it happened",
    "time": "the same",
    "timezone": "the channel's time zone",
    "started_at": "when the outage began",
    "duration": "the outage's length in seconds, so far while it lasts",
    "duration_words": "the same in words",
    "reminder": "true for a reminder of the same outage",
    "test": "true when somebody pressed *test*",
    "late": "how late this message is, in seconds; nil when it is in time",
    "late_words": "the same in words",
    "ack_url": "where to acknowledge the outage",
    "incident": "the outage",
    "incident.id": "its id, the same on down, reminders and up",
    "incident.title": "its title",
    "days": "until it expires",
    "expires_at": "when it expires",
    "group": "the other events of this digest: a list, each with these names except `group`",
    "data": "all data of the event",
    "heartbeat": "the check, as Peekaping names it",
    "heartbeat.status": "the same as `status_code`",
    "heartbeat.msg": "the same as `msg`",
    "heartbeat.ping": "the same as `ping`",
    "heartbeat.time": "the same as `at`",
    "heartbeat.duration": "the same as `duration`",
}
NAMES = frozenset(_DESCRIPTIONS)


def variable_values(message: Message) -> dict[str, Any]:
    """Every variable with its value for this message; a title or text rendered before is not read."""
    plain = msgspec.structs.replace(message, title="", text="")
    group = [_message_values(one) for one in islice(message.merged, MAX_GROUP_SIZE)]
    return _message_values(plain, with_merged=True) | {"group": group}


def describe_variables(message: Message) -> list[TemplateVariable]:
    """Every variable with its description and its value for this message."""
    values = variable_values(message)
    return [
        TemplateVariable(name=name, description=text, example=_look_up(values, name))
        for name, text in _DESCRIPTIONS.items()
    ]


def is_optional(name: str, kind: EventKind) -> bool:
    """Whether a variable may be empty in a message of this kind without making its words incomplete."""
    return name in _RARE or (name in OF_CHECKS and kind in _CHECK_EVENTS)


def _look_up(values: Any, name: str) -> Any:
    for step in name.split("."):
        values = values[step]
    return values


def _message_values(message: Message, *, with_merged: bool = False) -> dict[str, Any]:
    text = compose_text(message if with_merged else msgspec.structs.replace(message, title="", text="", merged=()))
    facts = _sanitize(message.facts, MAX_DEPTH)
    return {
        "event": str(message.event),
        "title": text.title,
        "text": text.text,
        "name": subject_name(message),
        "monitor": _monitor_values(message),
        "reminder": message.reminder,
        "test": message.test,
        "late": message.late_s,
        "late_words": None if message.late_s is None else format_rough_duration(message.late_s),
        "ack_url": message.ack_url or None,
        "timezone": message.timezone,
        "incident": incident_values(message),
        "days": facts.get("days"),
        "expires_at": _local_text(parse_instant(facts.get("expires_at")), message),
        "data": facts,
        **_check_values(message),
    }


def _monitor_values(message: Message) -> dict[str, str] | None:
    if message.monitor is None:
        return None
    return {
        "id": message.monitor.id,
        "name": monitor_name_of(message),
        "type": one_line(message.monitor.type, NAME_LIMIT),
    }


def _check_values(message: Message) -> dict[str, Any]:
    at, duration_s, status = _local_text(message.at, message), outage_duration_s(message), status_values(message)
    check = {
        "msg": message_line(message),
        "ping": message.ping_ms,
        "time": at,
        "duration": duration_s,
    }
    return check | {
        "status": status.word,
        "status_code": int(status.code),
        "status_icon": status.icon,
        "status_color": status.color,
        "at": at,
        "started_at": _local_text(message.started_at, message),
        "duration_words": None if duration_s is None else format_duration(duration_s),
        "heartbeat": {**check, "status": int(status.code)},
    }


def _sanitize(value: Any, depth: int) -> Any:
    """The value with every text on one line, and no larger than a message can use."""
    if isinstance(value, str):
        return one_line(value, TEXT_LIMIT)
    if isinstance(value, dict):
        inner = islice(value.items(), MAX_FACTS) if depth else ()
        return {one_line(str(name), NAME_LIMIT): _sanitize(item, depth - 1) for name, item in inner}
    if isinstance(value, list | tuple):
        return [_sanitize(item, depth - 1) for item in value[:MAX_FACTS]] if depth else []
    return value if isinstance(value, bool | int | float) else None


def _local_text(at: datetime | None, message: Message) -> str | None:
    """The instant in the message's time zone, as RFC 3339; None stays None."""
    if at is None:
        return None
    return local_time(at, message.timezone).isoformat(timespec="seconds").replace("+00:00", "Z")
