"""Converts what drivers return to scalars for assertions: JSON's own types stay, the rest becomes text. Pure."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from app.domain.parsing.values import ABSENT, Absent, Scalar, Untyped, exact_number

MAX_CHARS = 65_536  # `contains` searches no further
DETAIL_CHARS = 2_000  # of a value in a detail


def to_scalar(value: object) -> Scalar:
    """A scalar from a value of any type that drivers return."""
    if value is None or isinstance(value, bool | int | Absent):
        return value
    if isinstance(value, float):
        return exact_number(value)
    if isinstance(value, Decimal):
        return Untyped("NaN") if value.is_nan() else value
    return Untyped(value[:MAX_CHARS]) if isinstance(value, Untyped) else _text(value)[:MAX_CHARS]


def _text(value: object) -> str:
    if isinstance(value, timedelta):
        return _duration_text(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value[:MAX_CHARS]).decode("utf-8", "backslashreplace")
    return _json(value) if isinstance(value, list | dict) else str(value)


def to_untyped(value: object) -> Scalar:
    """The same for a protocol without types: its text may be a number."""
    converted = to_scalar(value)
    return Untyped(converted) if isinstance(converted, str) else converted


def to_detail(value: Scalar) -> Scalar:
    """The value for a result's detail, truncated."""
    if isinstance(value, Absent):
        return None
    return value[:DETAIL_CHARS] if isinstance(value, str) else value


def value_at(value: Any, path: str) -> Any:
    """The value at a dotted path of names and indexes in decoded JSON; ABSENT when there is none."""
    for name in path.split("."):
        if isinstance(value, list) and name.isascii() and name.isdigit() and len(name) <= len(str(len(value))):
            value = value[int(name)] if int(name) < len(value) else ABSENT
        else:
            value = value.get(name, ABSENT) if isinstance(value, dict) else ABSENT
    return value


def _duration_text(span: timedelta) -> str:
    """A duration as databases write it, `25:00:00`."""
    sign, span = ("-", -span) if span < timedelta() else ("", span)
    minutes, seconds = divmod(span.days * 86_400 + span.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours:02}:{minutes:02}:{seconds:02}" + (f".{span.microseconds:06}" if span.microseconds else "")


def _json(value: object) -> str:
    """A list or an object as JSON; its Python text where JSON can't hold it."""
    try:
        return msgspec.json.encode(value, enc_hook=str).decode()
    except (ValueError, TypeError, OverflowError, RecursionError):
        return str(value)
