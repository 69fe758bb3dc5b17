"""Formats durations and instants for messages, and reads values from an event's facts. Pure."""

from datetime import UTC, datetime
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from app.domain.parsing.plain_text import one_line

# Characters; every provider accepts as many, even when each one is escaped.
NAME_LIMIT, TITLE_LIMIT, TEXT_LIMIT = 150, 200, 1_500
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def format_duration(duration_s: float) -> str:
    """A duration in its two largest units: `3 min 12 s`, `1 d 4 h`."""
    if duration_s < 1:
        return "less than a second"
    rest_s, parts = int(duration_s), list[str]()
    for seconds, unit in _UNITS:
        count, rest_s = divmod(rest_s, seconds)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
    return " ".join(part for part in parts[:2] if part)


def format_rough_duration(duration_s: float) -> str:
    """A duration in its largest unit: `2 h`."""
    seconds, unit = next((one for one in _UNITS if duration_s >= one[0]), _UNITS[-1])
    return f"{max(1, int(duration_s // seconds))} {unit}"


def format_instant(at: datetime, timezone: str) -> str:
    """An instant to the second in a time zone, with its abbreviation: `2025-08-09 14:00:00 CEST`."""
    local = local_time(at, timezone)
    return f"{local:%Y-%m-%d %H:%M:%S} {_abbreviation(local)}"


def local_time(at: datetime, timezone: str) -> datetime:
    """The instant in a time zone; in UTC if this machine does not know the zone, or the year ends at 9999 there."""
    try:
        return at.astimezone(ZoneInfo(timezone))
    except (ZoneInfoNotFoundError, ValueError, OSError, OverflowError):
        return at.astimezone(UTC)


def parse_instant(fact: Any) -> datetime | None:
    """The instant in a fact, from RFC 3339 text; None when it has none."""
    try:
        at = msgspec.convert(fact, datetime | None)
    except msgspec.ValidationError:
        return None
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)


def parse_number(fact: Any) -> float | None:
    """The number in a fact; None when it has none."""
    is_number = isinstance(fact, int | float) and not isinstance(fact, bool)
    return fact if is_number and isfinite(fact) else None


def parse_name(fact: Any, field: str = "name") -> str:
    """The name in a fact on one line: the fact itself, or the field of an object."""
    name = fact.get(field) if isinstance(fact, dict) else fact
    return one_line(str(name), NAME_LIMIT) if isinstance(name, str | int) else ""


def _abbreviation(local: datetime) -> str:
    """The zone's abbreviation at this time; `UTC+05:45` in zones that have numbers only."""
    name, offset = local.tzname() or "", f"{local:%z}"
    return name if name[:1].isalpha() else f"UTC{offset[:3]}:{offset[3:5]}"
