"""Validates a channel's event patterns and quiet hours. Pure."""

from collections.abc import Sequence

from app.domain.alerting import routing
from app.domain.schedule.cron import zone_of
from schema.channels.rules import QuietHours
from schema.errors import FieldError

UNKNOWN_EVENT = "must be the name of an event or a pattern, such as `monitor.down`, `monitor.*` or `*`"
UNKNOWN_TIME_ZONE = "must be the name of a time zone, such as Europe/Berlin or UTC"
ENDLESS_QUIET_HOURS = "must differ from `start`: quiet hours that never end would hold back everything"


def rule_errors(events: Sequence[str], quiet: QuietHours | None) -> list[FieldError]:
    """Every event pattern and every part of the quiet hours that is not valid."""
    errors = [FieldError(f"events.{number}", UNKNOWN_EVENT) for number in routing.unknown_patterns(events)]
    return errors if quiet is None else errors + _quiet_hours_errors(quiet)


def _quiet_hours_errors(quiet: QuietHours) -> list[FieldError]:
    unknown = routing.unknown_patterns(quiet.except_events)
    errors = [FieldError(f"quiet_hours.except.{number}", UNKNOWN_EVENT) for number in unknown]
    if quiet.start == quiet.end:
        errors.append(FieldError("quiet_hours.end", ENDLESS_QUIET_HOURS))
    try:
        zone_of(quiet.timezone)
    except (ValueError, KeyError, OSError):
        errors.append(FieldError("quiet_hours.timezone", UNKNOWN_TIME_ZONE))
    return errors
