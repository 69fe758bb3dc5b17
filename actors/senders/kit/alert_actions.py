"""What a service that pages people is to do about a message: open an alarm, acknowledge it, close it. Pure.

The outage, its reminders and its end share a key: whoever knows the key takes a second attempt for the first one.
"""

from enum import StrEnum

import msgspec
from msgspec import Struct

from app.domain.text.message_text import Severity
from schema.events import EventKind
from schema.message import Message

KEY_LIMIT = 255  # characters that every one of these services takes


class AlertAction(StrEnum):
    """What becomes of the alarm. NEWS is about none: nobody is to be paged."""

    OPEN = "open"
    ACKNOWLEDGE = "acknowledge"
    CLOSE = "close"
    NONE = "news"


class Alert(Struct, frozen=True):
    """One thing to do.

    key        the same from the alarm's beginning to its end
    message    without what is told together with it
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
_SUBJECT_FACTS = {
    "backend": "backend",
    "cluster": "node",
    "system": "what",
}  # an event's family, and the fact it is about
_EXPIRY_FAMILIES = {"certificate", "domain"}  # these don't end with an outage of their monitor


def alerts_for(message: Message) -> list[Alert]:
    """Everything to do, the oldest first: what is told together is done one by one, for each has a key of its own.

    A test opens an alarm and closes it.
    """
    told = sorted((*message.merged, message), key=lambda one: one.at)
    alone = [msgspec.structs.replace(one, merged=()) for one in told]
    return [Alert(deed, alert_key(one), one) for one in alone for deed in _actions_for(one)]


def alert_key(message: Message) -> str:
    """What an alarm goes by: the outage's incident, else the monitor, else what the event is about."""
    return f"watchkeeper-{_subject_of(message)}"[:KEY_LIMIT]


def provider_severity(severity: Severity, worst: str, severities: tuple[str, ...]) -> str:
    """How bad it is, in a service's own words.

    worst         what an outage gets; nothing gets more
    severities    from the worst to the mildest: doubtful things are in the middle, all others at the end
    """
    place = {Severity.CRITICAL: 0, Severity.WARNING: len(severities) // 2}.get(severity, len(severities) - 1)
    return severities[max(place, severities.index(worst))]


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
    about = str(message.facts.get(_SUBJECT_FACTS.get(family, ""), "")).removeprefix("system.")
    return f"{family}-{about or _fallback_subject(message, family)}"


def _fallback_subject(message: Message, family: str) -> str:
    """What goes without a subject: troubles of the system are known by their names, all else by its delivery."""
    return str(message.event).partition(".")[2] if family == "system" else message.delivery_id
