"""What a paging service should do about a message: open, acknowledge or close an alert. Pure.

An alarm has one key from its begin to its end, by which the service recognises a repeated attempt. Which event opens
and closes which alarm is in `app.domain.alerting.alarms`.
"""

from enum import StrEnum

import msgspec
from msgspec import Struct

from app import clock
from app.domain.alerting import alarms
from app.domain.text.formatting import parse_instant
from app.domain.text.message_text import Severity
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


_SUBJECT_FACTS = {"backend": "backend", "cluster": "node_id", "deployment": "project"}  # event family → its subject
_EXPIRY_FACTS = {"certificate": "fingerprint", "domain": "name"}  # alarm → which certificate or domain it is about


def alerts_for(message: Message) -> list[Alert]:
    """Alerts for a message and those merged into it, oldest first: each has its own key.

    A test opens an alert and closes it.
    """
    ordered = sorted((*message.merged, message), key=lambda one: one.at)
    single = [msgspec.structs.replace(one, merged=()) for one in ordered]
    return [Alert(action, alert_key(one), one) for one in single for action in _actions_for(one)]


def alert_key(message: Message) -> str:
    """The deduplication key: what the alarm is about, and nothing else."""
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
    if message.event in alarms.OPENING:
        return [AlertAction.OPEN]
    if message.event in alarms.CLOSING:
        return [AlertAction.CLOSE]
    return [AlertAction.ACKNOWLEDGE if message.event in alarms.ACKNOWLEDGING else AlertAction.NONE]


def _subject_of(message: Message) -> str:
    """What the alarm is about: exactly one incident, condition of a monitor, certificate, channel or problem."""
    if message.test:
        return f"test-{message.delivery_id}"
    if message.incident_id:
        return message.incident_id
    family, _, name = str(message.event).partition(".")
    if family == "system":
        return _system_subject(message, name)
    if message.monitor is not None:
        return _monitor_subject(message, message.monitor.id)
    subject = _fact(message, _SUBJECT_FACTS.get(family, "")) or message.delivery_id
    return f"{family}-{subject}"


def _monitor_subject(message: Message, monitor_id: str) -> str:
    """An outage without an incident: the monitor; else its condition, certificate or domain."""
    opened = {str(kind): name for name, alarm in alarms.ALARMS.items() for kind in alarm.opened_by}
    what = _fact(message, "what") if message.event in alarms.NAMED_BY_WHAT else opened.get(message.event, "")
    if what in {"", "outage"}:
        return monitor_id
    return "-".join(filter(None, (monitor_id, what, _fact(message, _EXPIRY_FACTS.get(what, "")))))


def _system_subject(message: Message, name: str) -> str:
    """A channel, or a problem since its first millisecond, which tells it apart from another installation's."""
    what = _fact(message, "what").removeprefix(alarms.SYSTEM_PREFIX) or name
    channel = message.facts.get("channel")
    if isinstance(channel, dict) and channel.get("id"):
        return f"system-{what}-{channel['id']}"
    since = parse_instant(message.facts.get("started_at"))
    return f"system-{what}" + (f"-{clock.epoch_ms(since)}" if since else "")


def _fact(message: Message, name: str) -> str:
    return str(message.facts.get(name) or "")
