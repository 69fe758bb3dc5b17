"""Validates a channel's event patterns and quiet hours. Pure."""

from collections.abc import Sequence

from app.domain.alerting import routing
from app.domain.schedule.cron import zone_of
from schema.channels.rules import QuietHours
from schema.errors import FieldError

UNKNOWN_EVENT = "must be the name of an event or a pattern, such as `monitor.down`, `monitor.*` or `*`"
UNKNOWN_TIME_ZONE = "must be the name of a time zone, such as Europe/Berlin or UTC"
ENDLESS_QUIET_HOURS = "must differ from `start`; otherwise the quiet hours would never end"


def rule_errors(
    events: Sequence[str], quiet: QuietHours | None = None, timezone: str | None = None
) -> list[FieldError]:
    """Every event pattern, every part of the quiet hours, and a time zone that is not valid."""
    errors = [FieldError(f"events.{number}", UNKNOWN_EVENT) for number in routing.unknown_patterns(events)]
    errors += [] if quiet is None else _quiet_hours_errors(quiet)
    return errors + _time_zone_errors("timezone", timezone)


def _quiet_hours_errors(quiet: QuietHours) -> list[FieldError]:
    unknown = routing.unknown_patterns(quiet.except_events)
    errors = [FieldError(f"quiet_hours.except.{number}", UNKNOWN_EVENT) for number in unknown]
    if quiet.start == quiet.end:
        errors.append(FieldError("quiet_hours.end", ENDLESS_QUIET_HOURS))
    return errors + _time_zone_errors("quiet_hours.timezone", quiet.timezone or None)


def _time_zone_errors(field: str, timezone: str | None) -> list[FieldError]:
    """The error of a time zone that does not exist; none without one."""
    try:
        zone_of(timezone or "UTC")
    except (ValueError, KeyError, OSError):
        return [FieldError(field, UNKNOWN_TIME_ZONE)]
    return []
