"""When the end of a certificate or a domain is worth a notice. Pure."""

from collections.abc import Iterable

DAY_MS = 86_400_000
NOTICE_HORIZON_DAYS = 90  # nothing is said of an end that is farther off


def reached_thresholds(ends_ms: int, at_ms: int, thresholds: Iterable[int]) -> list[int]:
    """The thresholds (days) that are reached at an instant, tightest first. 0 is reached by what has ended."""
    return sorted({days for days in thresholds if ends_ms - at_ms <= days * DAY_MS})


def days_left(ends_ms: int, at_ms: int) -> int:
    """Days until the end, a started one counting as one: 30 when the threshold of 30 is reached, 0 at the end."""
    return -((at_ms - ends_ms) // DAY_MS)
