"""The subject, status and message of every kind of event, for templates. Pure.

A template is written with one event in mind and used for all, so each of these has a value for each event: the subject
is named, `{{ name }} is {{ status }}` reads well, and the message is a sentence.
"""

from typing import Any

from msgspec import Struct

from app.domain.parsing.plain_text import one_line
from app.domain.text.details import has_expired, monitor_name_of
from app.domain.text.formatting import TEXT_LIMIT, parse_name
from app.domain.text.titles import Severity, event_text
from schema.events import EventKind
from schema.message import Message
from schema.status import Status

PRODUCT = "Watchkeeper"  # the subject of events about itself
_SUBJECT_FACTS = ("maintenance", "title", "backend", "project", "node_id", "channel")  # what an event may be about


class StatusValues(Struct, frozen=True):
    """How an event is shown. `code` is a number of `Status`, `color` one of RGB."""

    word: str
    code: Status
    icon: str
    color: int


# Peekaping's icons and colours, so that its templates look the same here.
_STATUS_LOOKS = {
    Status.DOWN: ("❌", 0xEF4444), Status.UP: ("✅", 0x22C55E), Status.PENDING: ("⏳", 0xA855F7),
    Status.MAINTENANCE: ("🚧", 0x3B82F6), Status.DEGRADED: ("⚠️", 0xF59E0B), Status.UNKNOWN: ("❔", 0x6B7280),
}  # fmt: skip
_INFO_LOOK = ("ℹ️", 0x3B82F6)  # noqa: RUF001  # an icon
_SEVERITY_STATUSES = {
    Severity.CRITICAL: Status.DOWN,
    Severity.WARNING: Status.DEGRADED,
    Severity.RESOLVED: Status.UP,
    Severity.INFO: Status.UNKNOWN,  # it says nothing of a status
}
_STATUS_WORDS = {  # of events that carry no status of a monitor; they follow "is"
    EventKind.MONITOR_DOWN: "DOWN",
    EventKind.MONITOR_UP: "UP",
    EventKind.MONITOR_DEGRADED: "DEGRADED",
    EventKind.MONITOR_UNKNOWN: "UNKNOWN",
    EventKind.MONITOR_CLEARED: "CLEARED",
    EventKind.MONITOR_CREATED: "CREATED",
    EventKind.MONITOR_UPDATED: "CHANGED",
    EventKind.MONITOR_DELETED: "DELETED",
    EventKind.MONITOR_PAUSED: "PAUSED",
    EventKind.MONITOR_RESUMED: "RESUMED",
    EventKind.CERTIFICATE_EXPIRING: "EXPIRING",
    EventKind.DOMAIN_EXPIRING: "EXPIRING",
    EventKind.INCIDENT_OPENED: "OPEN",
    EventKind.INCIDENT_ACKNOWLEDGED: "ACKNOWLEDGED",
    EventKind.INCIDENT_ESCALATED: "NOT ACKNOWLEDGED",
    EventKind.INCIDENT_RESOLVED: "RESOLVED",
    EventKind.MAINTENANCE_STARTED: "UNDER WAY",
    EventKind.MAINTENANCE_ENDED: "OVER",
    EventKind.BACKEND_DOWN: "DOWN",
    EventKind.BACKEND_UP: "UP",
    EventKind.BACKEND_RESTARTED: "RESTARTED",
    EventKind.RECOVERY_EXHAUSTED: "DOWN",
    EventKind.DEPLOYMENT_STARTED: "BEING DEPLOYED",
    EventKind.DEPLOYMENT_SUCCEEDED: "DEPLOYED",
    EventKind.DEPLOYMENT_FAILED: "NOT DEPLOYED",
    EventKind.NODE_JOINED: "UP",
    EventKind.NODE_LEFT: "STOPPED",
    EventKind.NODE_FAILED: "DOWN",
    EventKind.LEADER_ELECTED: "LEADER",
    EventKind.REBALANCED: "REBALANCED",
    EventKind.SCHEDULE_LAG: "LATE",
    EventKind.QUEUE_LAG: "LATE",
    EventKind.NO_WORKER: "FAILING",
    EventKind.CHANNEL_FAILING: "FAILING",
    EventKind.RESULTS_LOST: "FAILING",
    EventKind.ALERTS_STUCK: "FAILING",
    EventKind.DISK_FULL: "FAILING",
    EventKind.NETWORK_GONE: "FAILING",
    EventKind.CLOCK: "FAILING",
    EventKind.RECOVERED: "OK",
    EventKind.TEST: "TESTED",
}


def subject_name(message: Message) -> str:
    """The name of what the event is about: what expires, a monitor, a backend, an incident, or the product itself."""
    facts = message.facts
    others = (parse_name(facts.get(fact)) for fact in _SUBJECT_FACTS)
    return (
        parse_name(facts.get("name"))
        or monitor_name_of(message)
        or next(filter(None, others), "")
        or parse_name(facts.get("incident"), "title")
        or PRODUCT
    )


def status_values(message: Message) -> StatusValues:
    """The monitor's status, or a word for the event with the status that its severity is like."""
    if (status := message.status) is not None:
        return StatusValues(status.name, status, *_STATUS_LOOKS[status])
    severity = event_text(message).severity
    is_maintenance = message.event is EventKind.MAINTENANCE_STARTED
    status = Status.MAINTENANCE if is_maintenance else _SEVERITY_STATUSES[severity]
    look = _INFO_LOOK if status is Status.UNKNOWN else _STATUS_LOOKS[status]
    return StatusValues("EXPIRED" if has_expired(message) else _STATUS_WORDS[message.event], status, *look)


def message_line(message: Message) -> str:
    """The message of the check or the report, or the error; without them the default title and details.

    A length that the event has is left out: it has a variable of its own.
    """
    if reason := one_line(message.msg, TEXT_LIMIT) or parse_name(message.facts.get("error")):
        return reason
    event = event_text(message)
    details = event.details if message.duration_s is None else ()
    return one_line(" ".join((f"{event.title}.", *details)), TEXT_LIMIT)


def incident_values(message: Message) -> dict[str, Any] | None:
    """The incident's id and title; None without an incident."""
    if not message.incident_id:
        return None
    title = parse_name(message.facts.get("incident"), "title")
    return {"id": message.incident_id, "title": title or f"{subject_name(message)} is down"}
