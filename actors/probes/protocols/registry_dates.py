"""Reads dates as registries write them in WHOIS. Pure.

There is no standard: RFC 3912 only says that the response is text. The formats are those of the corpus in the tests, of
more than a hundred registries.
"""

import re
from datetime import UTC, datetime

MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAY, _MONTH, _YEAR = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?", r"(?P<month>\d{1,2}|[a-z]{3,9})", r"(?P<year>\d{4})"
_NAME, _GAP, _END = r"(?P<month>[a-z]{3,9})", r"(?:[-./]|[-.,]?\s+)", r"(?!\d)"
_TIME = r"\d\d:\d\d(?::\d\d)?(?: [a-z]{2,5})?"
_WEEKDAY = r"(?:[a-z]{3,9},?\s+)?"
DATE_PATTERNS = tuple(
    re.compile(_WEEKDAY + pattern + _END, re.IGNORECASE)
    for pattern in (
        _YEAR + _GAP + _MONTH + _GAP + _DAY,  # 2027-11-28, 2027/11/28, 2027. 11. 28., 2027-Nov-28.
        _DAY + _GAP + _MONTH + _GAP + _YEAR,  # 28-11-2027, 28.11.2027, 28-Nov-2027, 28th November, 2027
        _NAME + r"\s+" + _DAY + r",?\s+" + _YEAR,  # November 28 2027
        _NAME + r"\s+" + _DAY + r"\s+" + _TIME + r"\s+" + _YEAR,  # Sun Nov 28 23:59:59 GMT 2027
        _YEAR + r"(?P<month>\d\d)(?P<day>\d\d)(?:\d{6})?",  # 20271128, 20271128235959
    )
)
_SLASHED = re.compile(r"(?<![\d/])(\d{1,2})/(\d{1,2})/\d{4}(?!\d)")
MAX_MONTH = 12


def parse_date(text: str, *, month_first: bool = False) -> datetime | None:
    """The instant or the day that a registry names, UTC without a zone; of a day its beginning. None for anything else.

    month_first    11/28/2027 rather than 28/11/2027
    """
    text = text.strip(" \t\"'")
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return next((day for pattern in DATE_PATTERNS if (day := _day_of(pattern.match(text), month_first))), None)


def is_month_first(text: str) -> bool:
    """Whether dates with slashes begin with the month: a response has several, and one of them mostly shows it."""
    pairs = [(int(first), int(second)) for first, second in _SLASHED.findall(text)]
    return any(second > MAX_MONTH for _, second in pairs) and all(first <= MAX_MONTH for first, _ in pairs)


def _day_of(match: re.Match[str] | None, month_first: bool) -> datetime | None:  # noqa: FBT001  # passed on
    if match is None:
        return None
    day, month = match["day"], match["month"]
    if month_first and month.isdecimal() and "/" in match[0] and match.start("day") < match.start("month"):
        day, month = month, day
    try:
        return datetime(int(match["year"]), _month_number(month), int(day), tzinfo=UTC)
    except ValueError:
        return None


def _month_number(text: str) -> int:
    """The number of a month. Raises ValueError."""
    if text.isdecimal():
        return int(text)
    numbers = (number for number, name in enumerate(MONTHS, 1) if name.startswith(text.lower()))
    if (number := next(numbers, None)) is None:
        raise ValueError(text)
    return number
