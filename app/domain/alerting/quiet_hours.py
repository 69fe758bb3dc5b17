"""When quiet hours end. Pure; by the clock on the wall of their time zone.

Where the clock is put forward, a time that is left out is the moment it is put forward. Where it is put back, an hour
that comes twice is quiet both times: they begin at its first, and end at its second pass.
"""

from datetime import UTC, date, datetime, time, timedelta

from app.clock import epoch_ms
from app.domain.schedule.cron import zone_of
from schema.channels.terms import Day, QuietHours

DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")  # as `date.weekday` counts them
FIRST_PASS, SECOND_PASS = 0, 1  # passes of an hour that comes twice


def quiet_until_ms(quiet: QuietHours, now_ms: int) -> int:
    """When the quiet hours end that it is now within, epoch milliseconds; 0 when it is not within any."""
    today = datetime.fromtimestamp(now_ms / 1000, zone_of(quiet.timezone)).date()
    for day in (today, today - timedelta(days=1)):
        begin_ms, end_ms = _period(quiet, day)
        if begin_ms <= now_ms < end_ms and (not quiet.days or DAYS[day.weekday()] in quiet.days):
            return end_ms
    return 0


def _period(quiet: QuietHours, day: date) -> tuple[int, int]:
    """The quiet hours that begin on this day."""
    last = day if quiet.since < quiet.until else day + timedelta(days=1)
    return _instant_ms(day, quiet.since, quiet.timezone, FIRST_PASS), _instant_ms(
        last, quiet.until, quiet.timezone, SECOND_PASS
    )


def _instant_ms(day: date, time_of_day: str, timezone: str, which: int) -> int:
    """When the clock on the wall shows this, or the first time after it that it shows at all."""
    shown = datetime.combine(day, time.fromisoformat(time_of_day))
    while True:
        at = shown.replace(tzinfo=zone_of(timezone), fold=which).astimezone(UTC)
        if at.astimezone(zone_of(timezone)).replace(tzinfo=None, fold=0) == shown:
            return epoch_ms(at)
        shown += timedelta(minutes=1)
