"""Converts between intervals and document 002's words: 300 seconds is "every 5 minutes". Pure."""

import re

UNITS_S = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
INTERVAL_PATTERN = re.compile(r"every (?:([0-9]{1,7}) )?(second|minute|hour|day)s?", re.IGNORECASE)
CRON_FIELDS = 5
MIN_S, MAX_S = 5, 2_678_400  # as `schema.field_types.Interval`


def parse_interval(text: str) -> int | None:
    """Seconds of an "every …" within the limits; None for any other text."""
    match = INTERVAL_PATTERN.fullmatch(" ".join(text.split()))
    if match is None:
        return None
    seconds = int(match.group(1) or 1) * UNITS_S[match.group(2).lower()]
    return seconds if MIN_S <= seconds <= MAX_S else None


def format_interval(interval_s: int) -> str:
    """An interval in words, in the largest unit that divides it."""
    unit = next(name for name, length_s in UNITS_S.items() if interval_s % length_s == 0)
    count = interval_s // UNITS_S[unit]
    return f"every {count} {unit}{'' if count == 1 else 's'}"
