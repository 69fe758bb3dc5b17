"""When quiet hours end, by the local time of their time zone. Pure.

When the clock is put forward, a local time that is skipped counts as the moment of the change. When it is put back, an
hour that occurs twice is quiet both times: quiet hours begin at its first pass and end at its second.
"""

from datetime import UTC, date, datetime, time, timedelta

import msgspec

from app.clock import epoch_ms
from app.domain.schedule.cron import zone_of
from schema.channels.rules import Day, QuietHours

DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")  # in the order of `date.weekday`
DEFAULT_TIMEZONE = "UTC"
FIRST_PASS, SECOND_PASS = 0, 1  # of an hour that occurs twice; the values of `fold`


def with_timezone(quiet: QuietHours | None, channel_timezone: str | None) -> QuietHours | None:
    """The quiet hours with a time zone: their own, else the channel's, else UTC."""
    if quiet is None or quiet.timezone:
        return quiet
    return msgspec.structs.replace(quiet, timezone=channel_timezone or DEFAULT_TIMEZONE)


def quiet_until_ms(quiet: QuietHours, now_ms: int) -> int:
    """When the current quiet hours end, epoch milliseconds; 0 outside of quiet hours."""
    today = datetime.fromtimestamp(now_ms / 1000, zone_of(quiet.timezone or DEFAULT_TIMEZONE)).date()
    for day in (today, today - timedelta(days=1)):
        begin_ms, end_ms = _period(quiet, day)
        if begin_ms <= now_ms < end_ms and (not quiet.days or DAYS[day.weekday()] in quiet.days):
            return end_ms
    return 0


def _period(quiet: QuietHours, day: date) -> tuple[int, int]:
    """The quiet hours that begin on this day."""
    last = day if quiet.start < quiet.end else day + timedelta(days=1)
    timezone = quiet.timezone or DEFAULT_TIMEZONE
    begin_ms = _instant_ms(day, quiet.start, timezone, FIRST_PASS)
    return begin_ms, _instant_ms(last, quiet.end, timezone, SECOND_PASS)


def _instant_ms(day: date, time_of_day: str, timezone: str, fold: int) -> int:
    """When the local clock shows this time, or the first later time that it shows at all."""
    local = datetime.combine(day, time.fromisoformat(time_of_day))
    while True:
        at = local.replace(tzinfo=zone_of(timezone), fold=fold).astimezone(UTC)
        if at.astimezone(zone_of(timezone)).replace(tzinfo=None, fold=0) == local:
            return epoch_ms(at)
        local += timedelta(minutes=1)
