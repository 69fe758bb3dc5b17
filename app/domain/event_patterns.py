"""Patterns of event names, and which events they mean. Pure."""

from collections.abc import Iterable

from schema.errors import FieldError
from schema.events import EventKind

UNKNOWN = "means no event there is"


def means(pattern: str, kind: str) -> bool:
    """Whether a pattern means this event: its name, `noun.*` or `*`."""
    if pattern.endswith("*"):
        return kind.startswith(pattern[:-1])
    return pattern == kind


def any_means(patterns: Iterable[str], kind: str) -> bool:
    """Whether one of the patterns means this event."""
    return any(means(pattern, kind) for pattern in patterns)


def faults(patterns: Iterable[str], field: str) -> list[FieldError]:
    """Patterns that mean no event of the catalogue, as `events.0`."""
    return [
        FieldError(f"{field}.{number}", UNKNOWN)
        for number, pattern in enumerate(patterns)
        if not any(means(pattern, kind) for kind in EventKind)
    ]
