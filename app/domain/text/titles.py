"""What each event says: a title, the sentences that its facts add, a mood. Pure."""

from enum import StrEnum

from msgspec import Struct

from app.domain.text.details import has_expired, lasted_s, name_of, sentences_of
from app.domain.text.formatting import instant_from, length_of, named, number_from
from schema.events import EventKind
from schema.message import Message
from schema.status import Status

DAY_S = 86_400


class Mood(StrEnum):
    """How a message feels; providers turn it into a colour, an emoji or a priority."""

    BAD = "bad"
    GOOD = "good"
    WARNING = "warning"
    NEUTRAL = "neutral"


class Story(Struct, frozen=True):
    """`told` are whole sentences, the most important first."""

    title: str
    mood: Mood
    told: tuple[str, ...] = ()


# event → title and mood; {…} are the names of `_names`
_TITLES: dict[EventKind, tuple[str, Mood]] = {
    EventKind.MONITOR_DOWN: ("{monitor} is {still}down{lasting}", Mood.BAD),
    EventKind.MONITOR_UP: ("{monitor} is up{but}", Mood.GOOD),
    EventKind.MONITOR_DEGRADED: ("{monitor} is degraded", Mood.WARNING),
    EventKind.MONITOR_UNKNOWN: ("{monitor} could not be checked", Mood.WARNING),
    EventKind.MONITOR_CREATED: ("{monitor} was created", Mood.NEUTRAL),
    EventKind.MONITOR_UPDATED: ("{monitor} was changed", Mood.NEUTRAL),
    EventKind.MONITOR_DELETED: ("{monitor} was deleted", Mood.NEUTRAL),
    EventKind.MONITOR_PAUSED: ("{monitor} was paused", Mood.NEUTRAL),
    EventKind.MONITOR_RESUMED: ("{monitor} was resumed", Mood.NEUTRAL),
    EventKind.CERTIFICATE_EXPIRING: ("The certificate of {expiring} {expires}", Mood.WARNING),
    EventKind.DOMAIN_EXPIRING: ("The domain {expiring} {expires}", Mood.WARNING),
    EventKind.INCIDENT_OPENED: ("New incident: {incident}", Mood.BAD),
    EventKind.INCIDENT_ACKNOWLEDGED: ("Acknowledged: {incident}", Mood.NEUTRAL),
    EventKind.INCIDENT_ESCALATED: ("{incident}: nobody has acknowledged{waited}", Mood.BAD),
    EventKind.INCIDENT_RESOLVED: ("Resolved: {incident}", Mood.GOOD),
    EventKind.MAINTENANCE_STARTED: ("Maintenance began: {maintenance}", Mood.NEUTRAL),
    EventKind.MAINTENANCE_ENDED: ("Maintenance is over: {maintenance}", Mood.NEUTRAL),
    EventKind.BACKEND_DOWN: ("Backend {backend} is down", Mood.BAD),
    EventKind.BACKEND_UP: ("Backend {backend} is up", Mood.GOOD),
    EventKind.BACKEND_RESTARTED: ("Backend {backend} was restarted", Mood.WARNING),
    EventKind.RECOVERY_EXHAUSTED: ("Backend {backend} stays down: restarts did not help", Mood.BAD),
    EventKind.DEPLOYMENT_STARTED: ("Deployment of {project} began", Mood.NEUTRAL),
    EventKind.DEPLOYMENT_SUCCEEDED: ("Deployment of {project} succeeded", Mood.GOOD),
    EventKind.DEPLOYMENT_FAILED: ("Deployment of {project} failed", Mood.BAD),
    EventKind.NODE_JOINED: ("Node {node} joined", Mood.NEUTRAL),
    EventKind.NODE_LEFT: ("Node {node} left", Mood.NEUTRAL),
    EventKind.NODE_FAILED: ("Node {node} is gone", Mood.BAD),
    EventKind.LEADER_ELECTED: ("Node {node} leads now", Mood.NEUTRAL),
    EventKind.REBALANCED: ("The schedule was divided anew", Mood.NEUTRAL),
    EventKind.SCHEDULE_LAG: ("Watchkeeper is behind its schedule", Mood.WARNING),
    EventKind.QUEUE_LAG: ("Watchkeeper's jobs wait for too long", Mood.WARNING),
    EventKind.NO_WORKER: ("Nothing is checked: Watchkeeper has no worker", Mood.BAD),
    EventKind.CHANNEL_FAILING: ("The channel {channel} fails", Mood.BAD),
    EventKind.RESULTS_LOST: ("Checks bring no results", Mood.BAD),
    EventKind.ALERTS_STUCK: ("Alerts are not sent", Mood.BAD),
    EventKind.DISK_FULL: ("Watchkeeper's disk is nearly full", Mood.BAD),
    EventKind.NETWORK_GONE: ("Watchkeeper's own network is gone", Mood.BAD),
    EventKind.CLOCK: ("Watchkeeper's clock jumped", Mood.BAD),
    EventKind.RECOVERED: ("{recovered}", Mood.GOOD),
    EventKind.TEST: ("Test message from Watchkeeper", Mood.NEUTRAL),
}
_RECOVERED = {  # a trouble's name → that it is over
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
_EXPIRES = frozenset({EventKind.CERTIFICATE_EXPIRING, EventKind.DOMAIN_EXPIRING})


def story_of(message: Message) -> Story:
    """What the event itself says; how, how late and to whom is not its matter."""
    title, mood = _TITLES[message.event]
    if message.event in _EXPIRES and has_expired(message):
        mood = Mood.BAD
    return Story(title.format_map(_names(message)), mood, sentences_of(message))


def _names(message: Message) -> dict[str, str]:
    """What titles name. None of it can be empty where a title needs it, and none is more than one line."""
    facts, monitor = message.facts, name_of(message)
    channel = named(facts.get("channel")) or "(deleted)"
    over = _RECOVERED.get(named(facts.get("what")).removeprefix("system."), "A trouble of Watchkeeper's is over")
    return {
        "monitor": monitor or "A monitor",
        "still": "still " if message.reminder else "",
        "lasting": _lasting(message),
        "but": ", but degraded" if message.status is Status.DEGRADED else "",
        "expiring": named(facts.get("name")) or monitor or "(unnamed)",
        "expires": _expires(message),
        "incident": named(facts.get("incident"), "title") or monitor or "(untitled)",
        "waited": _waited(message),
        "maintenance": named(facts.get("maintenance")) or named(facts.get("title")) or monitor or "(untitled)",
        "backend": named(facts.get("backend")) or "(unnamed)",
        "project": named(facts.get("project")) or "(unnamed)",
        "node": named(facts.get("node_id")) or "(unnamed)",
        "channel": channel,
        "recovered": over.replace("{channel}", channel),
    }


def _lasting(message: Message) -> str:
    """How long it has been down, when that is told again."""
    lasted = lasted_s(message) if message.reminder else None
    return "" if lasted is None else f", for {length_of(lasted)}"


def _waited(message: Message) -> str:
    waited = number_from(message.facts.get("after"))
    waited = lasted_s(message) if waited is None else waited
    return "" if waited is None else f" for {length_of(waited)}"


def _expires(message: Message) -> str:
    """`expires in 7 days`; what has ended already `has expired`."""
    if has_expired(message):
        return "has expired"
    days = number_from(message.facts.get("days"))
    if days is None:
        ends_at = instant_from(message.facts.get("expires_at"))
        days = None if ends_at is None else (ends_at - message.at).total_seconds() // DAY_S
    if days is None:
        return "expires soon"
    return {0: "expires today", 1: "expires in 1 day"}.get(int(days), f"expires in {int(days)} days")
