"""Values that checks read from targets, of every type, and how to compare them. Pure.

A value is an exact number, text, a boolean, null, or nothing at all (`ABSENT`). In protocols without types (headers,
banners, strings of SNMP) text is `Untyped`: compared with a number, it counts as a number.
"""

import re
from decimal import Decimal
from enum import Enum
from math import isnan
from typing import Any, Literal, Self

from schema.assertions import Comparison


class Absent(Enum):
    """No value was read, not even null."""

    ABSENT = "absent"


class Untyped(str):
    """Text of a protocol without types: it may be a number."""

    __slots__ = ()


class PreciseFloat(float):
    """A JSON number that a float can't hold exactly: the nearest float, with its digits in `text`."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Raises ValueError if the text is not a number."""
        number = super().__new__(cls, text)
        number.text = text
        return number


PreciseFloat.__name__ = float.__name__  # JMESPath checks arguments of functions by the name of their type
ABSENT: Literal[Absent.ABSENT] = Absent.ABSENT
Scalar = str | int | Decimal | bool | Absent | None

MAX_NUMBER_CHARS = 4_096  # longer text never counts as a number
FIXED_POINT_POWERS = range(-20, 41)  # powers of ten that are written without an exponent
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_SCIENTIFIC = re.compile(rf"{_DECIMAL.pattern}(?:[eE][+-]?[0-9]{{1,4}})?")


def exact_number(number: float) -> Scalar:
    """A float as a decimal with the shortest digits, or with all digits if a float lost some."""
    if isinstance(number, PreciseFloat):
        return Decimal(number.text)
    return Untyped("NaN") if isnan(number) else Decimal(repr(number))


def value_text(value: Scalar) -> str:
    """A value as JSON writes it, but text without quotes; empty for ABSENT."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() and value.adjusted() in FIXED_POINT_POWERS else str(value)
    if isinstance(value, int):
        return _integer_text(value)
    return ""


def _integer_text(number: int) -> str:
    try:
        return str(number)
    except ValueError:  # longer than Python converts
        return f"a number of {number.bit_length()} bits"


def compare_values(value: Scalar, expected: str, comparison: Comparison | None = None) -> int | None:
    """Negative when the value sorts before the expected one, 0 when equal; None when they have no order.

    comparison    as the monitor is configured; None: numbers with numbers, text with text, by the type of the value
    """
    if isinstance(value, Absent):
        return None
    if comparison is Comparison.TEXT:
        return _compare(value_text(value), expected)
    if value is None or isinstance(value, bool):
        return 0 if comparison is None and value_text(value) == expected else None
    if isinstance(value, str):
        return _compare_text(value, expected, comparison)
    return _compare_number(value, parse_decimal(expected))


def _compare_number(value: int | Decimal, other: Decimal | None) -> int | None:
    """None when the other is not a number, or the value is NaN."""
    if other is None or (isinstance(value, Decimal) and value.is_nan()):
        return None
    return _compare(value, other)


def _compare_text(value: str, expected: str, comparison: Comparison | None) -> int | None:
    """Compares as numbers if both may be numbers, else as text; a number and other text have no order."""
    if comparison is None and not isinstance(value, Untyped):
        return _compare(value, expected)
    parse = parse_decimal if comparison else _parse_plain_decimal
    number, other = parse(value.strip(" \t\r\n")), parse(expected)
    if number is not None and other is not None:
        return _compare(number, other)
    if comparison is Comparison.NUMBER or number is not other:
        return None
    return _compare(value, expected)


def parse_decimal(text: str) -> Decimal | None:
    """The number in a text, with or without an exponent; None when the text is not a number."""
    return Decimal(text) if len(text) <= MAX_NUMBER_CHARS and _SCIENTIFIC.fullmatch(text) else None


def _parse_plain_decimal(text: str) -> Decimal | None:
    """The number in a text of a target, where `1e5` may be a name; None when it is not a number."""
    return Decimal(text) if len(text) <= MAX_NUMBER_CHARS and _DECIMAL.fullmatch(text) else None


def _compare(left: Any, right: Any) -> int:
    """-1, 0 or 1, for two texts or two numbers."""
    return int(left > right) - int(left < right)
