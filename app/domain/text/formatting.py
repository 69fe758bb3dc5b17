"""Parts of what people read: spans, instants, lines that stay lines. Pure."""

from datetime import UTC, datetime
from math import isfinite
from typing import Any

import msgspec

from app.domain.parsing.plain_text import one_line

NAME_LIMIT, TITLE_LIMIT, TEXT_LIMIT = (
    150,
    200,
    1_500,
)  # characters; every provider takes this much even when each one is escaped
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def format_duration(duration_s: float) -> str:
    """A span as people say it, its two largest units: `3 min 12 s`, `1 d 4 h`."""
    if duration_s < 1:
        return "less than a second"
    left, parts = int(duration_s), list[str]()
    for seconds, unit in _UNITS:
        count, left = divmod(left, seconds)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
    return " ".join(part for part in parts[:2] if part)


def format_rough_duration(duration_s: float) -> str:
    """A span in its largest unit alone: `2 h`."""
    seconds, unit = next((one for one in _UNITS if duration_s >= one[0]), _UNITS[-1])
    return f"{max(1, int(duration_s // seconds))} {unit}"


def format_instant(at: datetime) -> str:
    """An instant to the second, in UTC, which is what every reader of one channel shares."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def parse_instant(told: Any) -> datetime | None:
    """The instant that a fact holds, as RFC 3339 text; None when it holds none."""
    try:
        at = msgspec.convert(told, datetime | None)
    except msgspec.ValidationError:
        return None
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)


def parse_number(told: Any) -> float | None:
    """The number that a fact holds; None when it holds none."""
    is_number = isinstance(told, int | float) and not isinstance(told, bool)
    return told if is_number and isfinite(told) else None


def parse_name(told: Any, field: str = "name") -> str:
    """A name on one line: the fact itself, or that field of it."""
    found = told.get(field) if isinstance(told, dict) else told
    return one_line(str(found), NAME_LIMIT) if isinstance(found, str | int) else ""
