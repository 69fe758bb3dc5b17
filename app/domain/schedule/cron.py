"""Cron expressions: five fields in a time zone, with due times in epoch milliseconds. Pure.

Daylight saving as in Debian's cron: a time in the skipped hour is due right after it, a time in the repeated hour is
due once; expressions that start with a star in the minute or the hour go by elapsed time. All functions build on
`next_cron`, so their results agree.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

FIELD_COUNT = 5
SECOND_MS = 1_000
HORIZON_MS = 5 * 366 * 86_400_000  # 29 February is due within it, except around some centuries


@lru_cache(maxsize=512)
def zone_of(timezone: str) -> ZoneInfo:
    """A time zone by its name. Raises ValueError or KeyError for an unknown name."""
    return ZoneInfo(timezone)


def next_cron(cron: str, timezone: str, after_ms: int) -> int | None:
    """The first due time later than `after_ms`, epoch milliseconds; None when there is none for decades."""
    for moment in CronSim(cron, datetime.fromtimestamp(after_ms // SECOND_MS, zone_of(timezone))):
        at_ms = int(moment.timestamp()) * SECOND_MS
        if at_ms > after_ms:  # in the repeated hour, its first pass may be over
            return at_ms
    return None


def last_cron(cron: str, timezone: str, at_ms: int) -> int | None:
    """The newest due time that is not later than `at_ms`; None when there was none for years."""
    back_ms = 60 * SECOND_MS
    while (found := next_cron(cron, timezone, at_ms - back_ms)) is None or found > at_ms:
        if back_ms > HORIZON_MS:
            return None
        back_ms *= 8
    low, high = found, at_ms  # bisect: from the result on, the next one is later than `at_ms`
    while low < high:
        middle = (low + high) // 2
        following = next_cron(cron, timezone, middle)
        if following is None or following > at_ms:
            high = middle
        else:
            low = following
    return low


def due_times(cron: str, timezone: str, after_ms: int) -> Iterator[int]:
    """Every due time later than `after_ms`, in order."""
    at_ms = next_cron(cron, timezone, after_ms)
    while at_ms is not None:
        yield at_ms
        at_ms = next_cron(cron, timezone, at_ms)


def cron_error(cron: str, timezone: str, now_ms: int) -> tuple[str, str] | None:
    """The error of an expression: (`cron` or `timezone`, a sentence); None when it is valid and due at some time."""
    try:
        zone_of(timezone)
    except (ValueError, KeyError, OSError):
        return "timezone", "must be the name of a time zone, such as Europe/Berlin or UTC"
    try:
        upcoming = next_cron(cron, timezone, now_ms) if len(cron.split()) == FIELD_COUNT else 0
    except CronSimError as error:
        return "cron", f"must be five fields of cron: {str(error).lower()}"
    if upcoming == 0:
        return "cron", "must have five fields: minute, hour, day of month, month, day of week"
    if upcoming is None or upcoming - now_ms > HORIZON_MS:
        return "cron", "never comes due"
    return None
