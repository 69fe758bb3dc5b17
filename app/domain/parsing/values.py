"""Values that checks read of their targets, of every type, and how two of them compare. Pure.

A value is what the target said: a number (exact), text, truth, null, or nothing at all (`ABSENT`). Where a protocol has
no types (a header, a banner, SNMP's strings) text is `Untyped`: it counts as a number beside another one.
"""

import re
from decimal import Decimal
from enum import Enum
from math import isnan
from typing import Any, Literal, Self

from schema.assertions import Comparison


class Absent(Enum):
    """Nothing was read: not even null."""

    ABSENT = "absent"


class Untyped(str):
    """Text of a protocol that has no types: it may be a number."""

    __slots__ = ()


class PreciseFloat(float):
    """A number of JSON that a float can't hold: the nearest one, and `text`, its digits."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Raises ValueError for what is no number."""
        made = super().__new__(cls, text)
        made.text = text
        return made


PreciseFloat.__name__ = float.__name__  # by such names JMESPath knows what its functions can take
ABSENT: Literal[Absent.ABSENT] = Absent.ABSENT
Scalar = str | int | Decimal | bool | Absent | None

MAX_NUMBER_CHARS = 4_096  # of text that may be a number; longer is text
FIXED_POINT_POWERS = range(-20, 41)  # of ten: numbers in them are written without an exponent
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_SCIENTIFIC = re.compile(rf"{_DECIMAL.pattern}(?:[eE][+-]?[0-9]{{1,4}})?")


def exact_number(number: float) -> Scalar:
    """A float as the shortest number that it is, which is what was written; the digits where it had more."""
    if isinstance(number, PreciseFloat):
        return Decimal(number.text)
    return Untyped("NaN") if isnan(number) else Decimal(repr(number))


def value_text(value: Scalar) -> str:
    """A value as JSON would write it, text as it is; nothing is empty."""
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
    except ValueError:  # longer than Python writes out
        return f"a number of {number.bit_length()} bits"


def compare_values(value: Scalar, expected: str, comparison: Comparison | None = None) -> int | None:
    """Below zero when the value comes before what is expected, 0 when they are equal; None when they have no order.

    comparison    how the monitor wants it; None: numbers with numbers, text with text, as the value is
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
    """What is no number has no order, and neither has the number that is none."""
    if other is None or (isinstance(value, Decimal) and value.is_nan()):
        return None
    return _compare(value, other)


def _compare_text(value: str, expected: str, comparison: Comparison | None) -> int | None:
    """Text with text, numbers with numbers where they may be some: a number and what is none have no order."""
    if comparison is None and not isinstance(value, Untyped):
        return _compare(value, expected)
    read = parse_decimal if comparison else _parse_plain_decimal
    number, other = read(value.strip(" \t\r\n")), read(expected)
    if number is not None and other is not None:
        return _compare(number, other)
    if comparison is Comparison.NUMBER or number is not other:
        return None
    return _compare(value, expected)


def parse_decimal(text: str) -> Decimal | None:
    """The number that somebody wrote, an exponent too; None when it is none."""
    return Decimal(text) if len(text) <= MAX_NUMBER_CHARS and _SCIENTIFIC.fullmatch(text) else None


def _parse_plain_decimal(text: str) -> Decimal | None:
    """The same of text that was not meant for us, where `1e5` may be a name."""
    return Decimal(text) if len(text) <= MAX_NUMBER_CHARS and _DECIMAL.fullmatch(text) else None


def _compare(one: Any, other: Any) -> int:
    """Two texts, or two numbers."""
    return int(one > other) - int(one < other)
