"""What a paging service should do about a message: open, acknowledge or close an alert. Pure.

An outage, its reminders and its recovery share a key, by which the service recognises a repeated attempt.
"""

from enum import StrEnum

import msgspec
from msgspec import Struct

from app.domain.text.message_text import Severity
from schema.events import EventKind
from schema.message import Message

KEY_LIMIT = 255  # characters; accepted by all of these services


class AlertAction(StrEnum):
    """What happens to the alert. NONE: the message concerns no alert and pages nobody."""

    OPEN = "open"
    ACKNOWLEDGE = "acknowledge"
    CLOSE = "close"
    NONE = "none"


class Alert(Struct, frozen=True):
    """One action on one alert.

    key        the same from the alert's begin to its end
    message    without the messages merged into it
    """

    action: AlertAction
    key: str
    message: Message


OPENING_EVENTS = {
    *(EventKind.MONITOR_DOWN, EventKind.MONITOR_DEGRADED, EventKind.MONITOR_UNKNOWN),
    *(EventKind.CERTIFICATE_EXPIRING, EventKind.DOMAIN_EXPIRING),
    *(EventKind.INCIDENT_OPENED, EventKind.INCIDENT_ESCALATED),
    *(EventKind.BACKEND_DOWN, EventKind.RECOVERY_EXHAUSTED, EventKind.DEPLOYMENT_FAILED, EventKind.NODE_FAILED),
    *(EventKind.SCHEDULE_LAG, EventKind.QUEUE_LAG, EventKind.NO_WORKER, EventKind.CHANNEL_FAILING),
    *(EventKind.RESULTS_LOST, EventKind.ALERTS_STUCK),
    *(EventKind.DISK_FULL, EventKind.NETWORK_GONE, EventKind.CLOCK),
}
CLOSING_EVENTS = {
    EventKind.MONITOR_UP,
    EventKind.INCIDENT_RESOLVED,
    EventKind.BACKEND_UP,
    EventKind.NODE_JOINED,
    EventKind.RECOVERED,
}
_SUBJECT_FACTS = {"backend": "backend", "cluster": "node_id", "system": "what"}  # event family → fact with its subject
_EXPIRY_FAMILIES = {"certificate", "domain"}  # not closed by a recovery of their monitor


def alerts_for(message: Message) -> list[Alert]:
    """Alerts for a message and those merged into it, oldest first: each has its own key.

    A test opens an alert and closes it.
    """
    ordered = sorted((*message.merged, message), key=lambda one: one.at)
    single = [msgspec.structs.replace(one, merged=()) for one in ordered]
    return [Alert(action, alert_key(one), one) for one in single for action in _actions_for(one)]


def alert_key(message: Message) -> str:
    """The deduplication key: from the incident, else the monitor, else the event's subject."""
    return f"watchkeeper-{_subject_of(message)}"[:KEY_LIMIT]


def provider_severity(severity: Severity, worst: str, severities: tuple[str, ...]) -> str:
    """Map a severity to a service's own scale.

    worst         the level of an outage, and the upper limit
    severities    the scale, worst first: warnings take the middle, everything milder the end
    """
    position = {Severity.CRITICAL: 0, Severity.WARNING: len(severities) // 2}.get(severity, len(severities) - 1)
    return severities[max(position, severities.index(worst))]


def _actions_for(message: Message) -> list[AlertAction]:
    if message.test:
        return [AlertAction.OPEN, AlertAction.CLOSE]
    if message.event in OPENING_EVENTS:
        return [AlertAction.OPEN]
    if message.event in CLOSING_EVENTS:
        return [AlertAction.CLOSE]
    return [AlertAction.ACKNOWLEDGE if message.event is EventKind.INCIDENT_ACKNOWLEDGED else AlertAction.NONE]


def _subject_of(message: Message) -> str:
    family = str(message.event).partition(".")[0]
    if message.test:
        return f"test-{message.delivery_id}"
    if message.incident_id:
        return message.incident_id
    if message.monitor is not None:
        return f"{message.monitor.id}-{family}" if family in _EXPIRY_FAMILIES else message.monitor.id
    subject = str(message.facts.get(_SUBJECT_FACTS.get(family, ""), "")).removeprefix("system.")
    subject = subject or (str(message.event).partition(".")[2] if family == "system" else message.delivery_id)
    return f"{family}-{subject}"
