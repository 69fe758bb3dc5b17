"""What a value is to an assertion: JSON's own scalars as they are, the rest as text. Pure."""

from datetime import date, datetime, time
from typing import Any

Scalar = str | int | float | bool | None
LENGTH = 65_536  # characters; `contains` looks no further
SHOWN = 2_000  # of them in a detail


def scalar(value: object) -> Scalar:
    """A value of any type that drivers return."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value[:LENGTH]).decode("utf-8", "backslashreplace")
    return str(value)[:LENGTH]


def shown(value: Scalar) -> Scalar:
    """The same in a detail."""
    return value[:SHOWN] if isinstance(value, str) else value


def at(value: Any, path: str) -> Any:
    """Where a path of names and numbers, parted by dots, leads in a JSON value; None when it leads nowhere."""
    for name in path.split("."):
        if isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            value = value.get(name) if isinstance(value, dict) else None
    return value
