"""Instants: epoch milliseconds, which rows and jobs hold, and aware UTC datetimes, which the API shows."""

from datetime import UTC, datetime
from time import time


def now_ms() -> int:
    """Epoch milliseconds."""
    return int(time() * 1000)


def instant(at_ms: int) -> datetime:
    """The instant in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def instant_or_none(at_ms: int | None) -> datetime | None:
    """The instant in UTC; None stays None."""
    return None if at_ms is None else instant(at_ms)


def epoch_ms(at: datetime) -> int:
    """Epoch milliseconds of an aware datetime, rounded."""
    return round(at.timestamp() * 1000)
