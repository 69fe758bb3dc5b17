"""What a value is to an assertion: JSON's own scalars as they are, the rest as text. Pure."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from app.domain.monitoring.values import ABSENT, Absent, Scalar, Untyped, exact

LENGTH = 65_536  # characters; `contains` looks no further
SHOWN = 2_000  # of them in a detail


def scalar(value: object) -> Scalar:
    """A value of any type that drivers return."""
    if value is None or isinstance(value, bool | int | Absent):
        return value
    if isinstance(value, float):
        return exact(value)
    if isinstance(value, Decimal):
        return Untyped("NaN") if value.is_nan() else value
    return Untyped(value[:LENGTH]) if isinstance(value, Untyped) else _text(value)[:LENGTH]


def _text(value: object) -> str:
    if isinstance(value, timedelta):
        return _clock(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value[:LENGTH]).decode("utf-8", "backslashreplace")
    return _json(value) if isinstance(value, list | dict) else str(value)


def untyped(value: object) -> Scalar:
    """The same of something that has no types: its text may be a number."""
    found = scalar(value)
    return Untyped(found) if isinstance(found, str) else found


def shown(value: Scalar) -> Scalar:
    """The same in a detail."""
    if isinstance(value, Absent):
        return None
    return value[:SHOWN] if isinstance(value, str) else value


def at(value: Any, path: str) -> Any:
    """Where a path of names and numbers, parted by dots, leads in a JSON value; ABSENT when it leads nowhere."""
    for name in path.split("."):
        if isinstance(value, list) and name.isascii() and name.isdigit() and len(name) <= len(str(len(value))):
            value = value[int(name)] if int(name) < len(value) else ABSENT
        else:
            value = value.get(name, ABSENT) if isinstance(value, dict) else ABSENT
    return value


def _clock(span: timedelta) -> str:
    """A span as databases write it, `25:00:00`."""
    sign, span = ("-", -span) if span < timedelta() else ("", span)
    minutes, seconds = divmod(span.days * 86_400 + span.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours:02}:{minutes:02}:{seconds:02}" + (f".{span.microseconds:06}" if span.microseconds else "")


def _json(value: object) -> str:
    """A list or an object as JSON; as Python writes it where JSON can't."""
    try:
        return msgspec.json.encode(value, enc_hook=str).decode()
    except (ValueError, TypeError, OverflowError, RecursionError):
        return str(value)
