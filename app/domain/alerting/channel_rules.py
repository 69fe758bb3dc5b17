"""Which terms of a channel could never hold. Pure."""

from collections.abc import Sequence

from app.domain.alerting import routing
from app.domain.schedule.cron import zone_of
from schema.channels.terms import QuietHours
from schema.errors import FieldError

NO_EVENT = "must be an event that there is, or a pattern of some: `monitor.down`, `monitor.*`, `*`"
NO_ZONE = "must be the name of a time zone, such as Europe/Berlin or UTC"
NO_END = "must differ from `since`: quiet hours that never end would hold back everything"


def objections(events: Sequence[str], quiet: QuietHours | None) -> list[FieldError]:
    """What is wrong with what a channel wants to be told of, and with when it does not."""
    wrong = [FieldError(f"events.{number}", NO_EVENT) for number in routing.strangers(events)]
    return wrong if quiet is None else wrong + _about(quiet)


def _about(quiet: QuietHours) -> list[FieldError]:
    wrong = [FieldError(f"quiet_hours.but.{number}", NO_EVENT) for number in routing.strangers(quiet.but)]
    if quiet.since == quiet.until:
        wrong.append(FieldError("quiet_hours.until", NO_END))
    try:
        zone_of(quiet.timezone)
    except (ValueError, KeyError, OSError):
        wrong.append(FieldError("quiet_hours.timezone", NO_ZONE))
    return wrong
