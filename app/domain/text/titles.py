"""The title and severity of every kind of event. Pure."""

from enum import StrEnum

from msgspec import Struct

from app import clock
from app.domain.alerting.expiry import days_left
from app.domain.text.details import detail_sentences, has_expired, monitor_name_of, outage_duration_s
from app.domain.text.formatting import format_duration, parse_instant, parse_name, parse_number
from schema.events import EventKind
from schema.message import Message
from schema.status import Status


class Severity(StrEnum):
    """How serious a message is; providers turn it into a colour, an emoji or a priority."""

    CRITICAL = "critical"
    RESOLVED = "resolved"
    WARNING = "warning"
    INFO = "info"


class EventText(Struct, frozen=True):
    """`details` are whole sentences, the most important first."""

    title: str
    severity: Severity
    details: tuple[str, ...] = ()


# event → title and severity; {…} are filled by `_title_values`
_TITLES: dict[EventKind, tuple[str, Severity]] = {
    EventKind.MONITOR_DOWN: ("{monitor} is {still}down{lasting}", Severity.CRITICAL),
    EventKind.MONITOR_UP: ("{monitor} is up{but}", Severity.RESOLVED),
    EventKind.MONITOR_DEGRADED: ("{monitor} is degraded", Severity.WARNING),
    EventKind.MONITOR_UNKNOWN: ("{monitor} could not be checked", Severity.WARNING),
    EventKind.MONITOR_CLEARED: ("A warning about {monitor} is over", Severity.RESOLVED),
    EventKind.MONITOR_CREATED: ("{monitor} was created", Severity.INFO),
    EventKind.MONITOR_UPDATED: ("{monitor} was changed", Severity.INFO),
    EventKind.MONITOR_DELETED: ("{monitor} was deleted", Severity.INFO),
    EventKind.MONITOR_PAUSED: ("{monitor} was paused", Severity.INFO),
    EventKind.MONITOR_RESUMED: ("{monitor} was resumed", Severity.INFO),
    EventKind.CERTIFICATE_EXPIRING: ("The certificate of {expiring} {expires}", Severity.WARNING),
    EventKind.DOMAIN_EXPIRING: ("The domain {expiring} {expires}", Severity.WARNING),
    EventKind.INCIDENT_OPENED: ("New incident: {incident}", Severity.CRITICAL),
    EventKind.INCIDENT_ACKNOWLEDGED: ("Acknowledged: {incident}", Severity.INFO),
    EventKind.INCIDENT_ESCALATED: ("{incident}: nobody has acknowledged{waited}", Severity.CRITICAL),
    EventKind.INCIDENT_RESOLVED: ("Resolved: {incident}", Severity.RESOLVED),
    EventKind.MAINTENANCE_STARTED: ("Maintenance began: {maintenance}", Severity.INFO),
    EventKind.MAINTENANCE_ENDED: ("Maintenance is over: {maintenance}", Severity.INFO),
    EventKind.BACKEND_DOWN: ("Backend {backend} is down", Severity.CRITICAL),
    EventKind.BACKEND_UP: ("Backend {backend} is up", Severity.RESOLVED),
    EventKind.BACKEND_RESTARTED: ("Backend {backend} was restarted", Severity.WARNING),
    EventKind.RECOVERY_EXHAUSTED: ("Backend {backend} stays down: restarts did not help", Severity.CRITICAL),
    EventKind.DEPLOYMENT_STARTED: ("Deployment of {project} began", Severity.INFO),
    EventKind.DEPLOYMENT_SUCCEEDED: ("Deployment of {project} succeeded", Severity.RESOLVED),
    EventKind.DEPLOYMENT_FAILED: ("Deployment of {project} failed", Severity.CRITICAL),
    EventKind.NODE_JOINED: ("Node {node} joined", Severity.INFO),
    EventKind.NODE_LEFT: ("Node {node} left", Severity.INFO),
    EventKind.NODE_FAILED: ("Node {node} is gone", Severity.CRITICAL),
    EventKind.LEADER_ELECTED: ("Node {node} leads now", Severity.INFO),
    EventKind.REBALANCED: ("The schedule was divided anew", Severity.INFO),
    EventKind.SCHEDULE_LAG: ("Watchkeeper is behind its schedule", Severity.WARNING),
    EventKind.QUEUE_LAG: ("Watchkeeper's jobs wait for too long", Severity.WARNING),
    EventKind.NO_WORKER: ("Nothing is checked: Watchkeeper has no worker", Severity.CRITICAL),
    EventKind.CHANNEL_FAILING: ("The channel {channel} fails", Severity.CRITICAL),
    EventKind.RESULTS_LOST: ("Checks bring no results", Severity.CRITICAL),
    EventKind.ALERTS_STUCK: ("Alerts are not sent", Severity.CRITICAL),
    EventKind.DISK_FULL: ("Watchkeeper's disk is nearly full", Severity.CRITICAL),
    EventKind.NETWORK_GONE: ("Watchkeeper's own network is gone", Severity.CRITICAL),
    EventKind.CLOCK: ("Watchkeeper's clock jumped", Severity.CRITICAL),
    EventKind.RECOVERED: ("{recovered}", Severity.RESOLVED),
    EventKind.TEST: ("Test message from Watchkeeper", Severity.INFO),
}
_RECOVERY_TITLES = {  # a system event → the title of its recovery
    "schedule_lag": "Watchkeeper keeps its schedule again",
    "queue_lag": "Watchkeeper's jobs are taken in time again",
    "no_worker": "Watchkeeper has a worker again",
    "channel_failing": "The channel {channel} works again",
    "results_lost": "Checks bring results again",
    "alerts_stuck": "Alerts are sent again",
    "disk_full": "Watchkeeper's disk has room again",
    "network_gone": "Watchkeeper's own network is back",
    "clock": "Watchkeeper's clock is steady again",
}
_CLEARED_TITLES = {  # what is over → the title
    "degraded": "{monitor} is no longer degraded",
    "unknown": "{monitor} can be checked again",
    "certificate": "The certificate warning for {expiring} is over",
    "domain": "The domain warning for {expiring} is over",
}
_EXPIRY_EVENTS = frozenset({EventKind.CERTIFICATE_EXPIRING, EventKind.DOMAIN_EXPIRING})


def event_text(message: Message) -> EventText:
    """The text of the event itself, whatever the channel and the delivery."""
    title, severity = _TITLES[message.event]
    if message.event is EventKind.MONITOR_CLEARED:
        title = _CLEARED_TITLES.get(parse_name(message.facts.get("what")), title)
    if message.event in _EXPIRY_EVENTS and has_expired(message):
        severity = Severity.CRITICAL
    return EventText(title.format_map(_title_values(message)), severity, detail_sentences(message))


def _title_values(message: Message) -> dict[str, str]:
    """The values for titles, each on one line. What a title needs is never empty."""
    facts, monitor = message.facts, monitor_name_of(message)
    channel = parse_name(facts.get("channel")) or "(deleted)"
    maintenance = parse_name(facts.get("maintenance")) or parse_name(facts.get("title"))
    recovered = _RECOVERY_TITLES.get(
        parse_name(facts.get("what")).removeprefix("system."), "A trouble of Watchkeeper's is over"
    )
    recovered = "The channel {channel} is not used any more" if facts.get("unused") else recovered
    return {
        "monitor": monitor or "A monitor",
        "still": "still " if message.reminder else "",
        "lasting": _down_for(message),
        "but": ", but degraded" if message.status is Status.DEGRADED else "",
        "expiring": parse_name(facts.get("name")) or monitor or "(unnamed)",
        "expires": _expiry_words(message),
        "incident": parse_name(facts.get("incident"), "title") or monitor or "(untitled)",
        "waited": _unacknowledged_for(message),
        "maintenance": maintenance or monitor or "(untitled)",
        "backend": parse_name(facts.get("backend")) or "(unnamed)",
        "project": parse_name(facts.get("project")) or "(unnamed)",
        "node": parse_name(facts.get("node_id")) or "(unnamed)",
        "channel": channel,
        "recovered": recovered.replace("{channel}", channel),
    }


def _down_for(message: Message) -> str:
    """How long it has been down, in reminders."""
    duration_s = outage_duration_s(message) if message.reminder else None
    return "" if duration_s is None else f", for {format_duration(duration_s)}"


def _unacknowledged_for(message: Message) -> str:
    waited_s = parse_number(message.facts.get("after"))
    waited_s = outage_duration_s(message) if waited_s is None else waited_s
    return "" if waited_s is None else f" for {format_duration(waited_s)}"


def _expiry_words(message: Message) -> str:
    """`expires in 7 days`, or `has expired`."""
    if has_expired(message):
        return "has expired"
    days = parse_number(message.facts.get("days"))
    if days is None:
        expires_at = parse_instant(message.facts.get("expires_at"))
        days = None if expires_at is None else days_left(clock.epoch_ms(expires_at), clock.epoch_ms(message.at))
    if days is None:
        return "expires soon"
    return {0: "expires today", 1: "expires in 1 day"}.get(int(days), f"expires in {int(days)} days")
