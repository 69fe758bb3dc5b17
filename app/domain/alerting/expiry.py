"""How many days a certificate or a domain has left, and when its expiry needs a notice. Pure."""

from collections.abc import Iterable

DAY_MS = 86_400_000
NOTICE_HORIZON_DAYS = 90  # an expiry farther off is not reported


def days_left(expires_ms: int, at_ms: int) -> int:
    """Whole days until the expiry: 0 on the last day, negative afterwards. All values and messages count like this."""
    return (expires_ms - at_ms) // DAY_MS


def reached_thresholds(expires_ms: int, at_ms: int, thresholds: Iterable[int]) -> list[int]:
    """The thresholds (days) that are reached at an instant, tightest first: 30 as soon as 30 whole days are left.

    0 is reached by what has expired, not on the last day.
    """
    left = days_left(expires_ms, at_ms)
    return sorted({days for days in thresholds if (left <= days if days else expires_ms <= at_ms)})
