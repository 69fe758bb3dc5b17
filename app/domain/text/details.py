"""The sentences below a message's title: how long, until when, by whom. Pure."""

from collections.abc import Callable

from app.domain.parsing.plain_text import one_line
from app.domain.text.formatting import (
    NAME_LIMIT,
    format_duration,
    format_instant,
    parse_instant,
    parse_name,
    parse_number,
)
from schema.events import EventKind
from schema.message import Message


def detail_sentences(message: Message) -> tuple[str, ...]:
    """Whole sentences, the most important first."""
    describe = _DETAILS.get(message.event)
    return () if describe is None else tuple(line for line in describe(message) if line)


def monitor_name_of(message: Message) -> str:
    """The monitor's name on one line; its id when it has no name."""
    if message.monitor is None:
        return ""
    return one_line(message.monitor.name, NAME_LIMIT) or one_line(message.monitor.id, NAME_LIMIT)


def outage_duration_s(message: Message) -> float | None:
    """How long the outage lasted, or has lasted so far; None when that is unknown."""
    if message.duration_s is not None or message.started_at is None:
        return message.duration_s
    return max(0.0, (message.at - message.started_at).total_seconds())


def has_expired(message: Message) -> bool:
    """Whether the certificate or the domain of this event has expired."""
    days, expires_at = parse_number(message.facts.get("days")), parse_instant(message.facts.get("expires_at"))
    return (days is not None and days < 0) or (expires_at is not None and expires_at <= message.at)


def _down(message: Message) -> tuple[str, ...]:
    if message.started_at is None:
        return ()
    duration_s = (message.at - message.started_at).total_seconds()
    so_far = f", for {format_duration(duration_s)}" if duration_s >= 60 else ""  # noqa: PLR2004  # a minute
    since = "Down since" if message.monitor else "Since"  # an incident that a person opened has no monitor
    return (f"{since} {format_instant(message.started_at, message.timezone)}{so_far}.",)


def _up(message: Message) -> tuple[str, ...]:
    duration_s = outage_duration_s(message)
    return () if duration_s is None else (f"It was down for {format_duration(duration_s)}.",)


def _duration(message: Message) -> tuple[str, ...]:
    return () if message.duration_s is None else (f"It took {format_duration(message.duration_s)}.",)


def _resolved(message: Message) -> tuple[str, ...]:
    duration_s = outage_duration_s(message)
    return (_by(message), "" if duration_s is None else f"It lasted {format_duration(duration_s)}.")


def _acknowledged(message: Message) -> tuple[str, ...]:
    return (_by(message), parse_name(message.facts.get("note")))


def _by(message: Message) -> str:
    by = parse_name(message.facts.get("by"))
    return f"By {by}." if by else ""


def _expiry(message: Message) -> tuple[str, ...]:
    expires_at = parse_instant(message.facts.get("expires_at"))
    verb = "ended" if has_expired(message) else "ends"
    end = "" if expires_at is None else f"It {verb} on {format_instant(expires_at, message.timezone)}."
    return (end, _monitor_line(message))


def _monitor_line(message: Message) -> str:
    monitor = monitor_name_of(message)
    return f"Monitor: {monitor}" if monitor and monitor != parse_name(message.facts.get("name")) else ""


def _until(message: Message) -> tuple[str, ...]:
    ends_at = parse_instant(message.facts.get("ends_at"))
    return () if ends_at is None else (f"Until {format_instant(ends_at, message.timezone)}.",)


def _restarts(message: Message) -> tuple[str, ...]:
    restarts = parse_number(message.facts.get("restarts"))
    return () if restarts is None else (f"Restarts so far: {restarts:g}.",)


def _lag(message: Message) -> tuple[str, ...]:
    lag = parse_number(message.facts.get("lag"))
    return () if lag is None or message.msg else (f"It is {format_duration(lag)} late.",)


def _test(message: Message) -> tuple[str, ...]:
    return () if message.msg else ("This channel works.",)


def _cleared(message: Message) -> tuple[str, ...]:
    duration_s = outage_duration_s(message)
    lasted = "" if duration_s is None else f"It lasted {format_duration(duration_s)}."
    return (lasted, _monitor_line(message) if message.facts.get("name") else "")  # else the title names it


def _unknown(_: Message) -> tuple[str, ...]:
    return ("The fault is on our side, or on the way: nothing is known about the target.",)


_DETAILS: dict[EventKind, Callable[[Message], tuple[str, ...]]] = {
    EventKind.MONITOR_DOWN: _down,
    EventKind.MONITOR_UP: _up,
    EventKind.MONITOR_UNKNOWN: _unknown,
    EventKind.MONITOR_CLEARED: _cleared,
    EventKind.CERTIFICATE_EXPIRING: _expiry,
    EventKind.DOMAIN_EXPIRING: _expiry,
    EventKind.INCIDENT_OPENED: _down,
    EventKind.INCIDENT_ESCALATED: _down,
    EventKind.INCIDENT_ACKNOWLEDGED: _acknowledged,
    EventKind.INCIDENT_RESOLVED: _resolved,
    EventKind.MAINTENANCE_STARTED: _until,
    EventKind.BACKEND_RESTARTED: _restarts,
    EventKind.RECOVERY_EXHAUSTED: _restarts,
    EventKind.DEPLOYMENT_SUCCEEDED: _duration,
    EventKind.DEPLOYMENT_FAILED: _duration,
    EventKind.SCHEDULE_LAG: _lag,
    EventKind.QUEUE_LAG: _lag,
    EventKind.TEST: _test,
}
