"""When the expiry of a certificate or a domain needs a notice. Pure."""

from collections.abc import Iterable

DAY_MS = 86_400_000
NOTICE_HORIZON_DAYS = 90  # an expiry farther off is not reported


def reached_thresholds(expires_ms: int, at_ms: int, thresholds: Iterable[int]) -> list[int]:
    """The thresholds (days) that are reached at an instant, tightest first. What has expired reaches 0."""
    return sorted({days for days in thresholds if expires_ms - at_ms <= days * DAY_MS})


def days_left(expires_ms: int, at_ms: int) -> int:
    """Days until the expiry, rounded up: 30 when the threshold of 30 is reached, 0 at the expiry."""
    return -((at_ms - expires_ms) // DAY_MS)
