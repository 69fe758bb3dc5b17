"""The variables of templates: the same for every channel and every event. Pure.

What a message does not have is nil, so that `{% if ack_url %}` is false. Everything is plain JSON with single lines: a
monitor's name or a target's response can't add lines that look like ours.
"""

from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec

from app.domain.parsing.plain_text import one_line
from app.domain.text.details import monitor_name_of, outage_duration_s
from app.domain.text.formatting import NAME_LIMIT, TEXT_LIMIT, format_duration, format_rough_duration
from app.domain.text.message_text import compose_text
from schema.message import Message
from schema.previews import TemplateVariable
from schema.status import Status

MAX_GROUP_SIZE, MAX_FACTS, MAX_DEPTH = 50, 50, 4
OPEN_ENDED = frozenset({"data", "group"})

# Peekaping's icons and colours, so that its templates look the same here.
_ICONS = {Status.DOWN: "❌", Status.UP: "✅", Status.PENDING: "⏳", Status.MAINTENANCE: "🚧", Status.DEGRADED: "⚠️"}
_COLOURS = {
    Status.DOWN: 0xEF4444, Status.UP: 0x22C55E, Status.PENDING: 0xA855F7, Status.MAINTENANCE: 0x3B82F6,
    Status.DEGRADED: 0xF59E0B,
}  # fmt: skip
_NO_ICON, _NO_COLOUR = "❔", 0x6B7280

_DESCRIPTIONS = {
    "event": "the event's name, such as `monitor.down`",
    "title": "the default title",
    "text": "the default text, some lines",
    "name": "the monitor's name; the certificate's or the domain's for what expires",
    "monitor": "the monitor, as it was when the event happened",
    "monitor.id": "its id",
    "monitor.name": "its name",
    "monitor.type": "its type, such as `http`",
    "status": "DOWN, UP, PENDING, MAINTENANCE, DEGRADED or UNKNOWN",
    "status_code": "the same as a number, from 0 to 5",
    "status_icon": "the same as an icon",
    "status_color": "the same as a colour, a number",
    "msg": "the check's message, or that of the report",
    "ping": "the response time in milliseconds",
    "at": "when it happened",
    "time": "the same",
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
    "incident.title": "its title, if the event has one",
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
        "name": facts.get("name") or monitor_name_of(message) or None,
        "monitor": _monitor_values(message),
        "reminder": message.reminder,
        "test": message.test,
        "late": message.late_s,
        "late_words": None if message.late_s is None else format_rough_duration(message.late_s),
        "ack_url": message.ack_url or None,
        "incident": _incident_values(message, facts),
        "days": facts.get("days"),
        "expires_at": facts.get("expires_at"),
        "data": facts,
        **_status_values(message),
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


def _incident_values(message: Message, facts: dict[str, Any]) -> dict[str, Any] | None:
    incident = facts.get("incident")
    title = incident.get("title") if isinstance(incident, dict) else None
    return {"id": message.incident_id, "title": title} if message.incident_id else None


def _status_values(message: Message) -> dict[str, Any]:
    status = message.status
    if status is None:
        return dict.fromkeys(("status", "status_code", "status_icon", "status_color"))
    return {
        "status": status.name,
        "status_code": int(status),
        "status_icon": _ICONS.get(status, _NO_ICON),
        "status_color": _COLOURS.get(status, _NO_COLOUR),
    }


def _check_values(message: Message) -> dict[str, Any]:
    at, duration_s = _rfc3339(message.at), outage_duration_s(message)
    check = {
        "msg": one_line(message.msg, TEXT_LIMIT) or None,
        "ping": message.ping_ms,
        "time": at,
        "duration": duration_s,
    }
    status = None if message.status is None else int(message.status)
    return check | {
        "at": at,
        "started_at": None if message.started_at is None else _rfc3339(message.started_at),
        "duration_words": None if duration_s is None else format_duration(duration_s),
        "heartbeat": {**check, "status": status},
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


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
