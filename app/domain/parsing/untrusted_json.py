"""Decodes untrusted JSON of any shape in bounded time. Pure.

Decode all JSON from outside here: UTF-8 with or without a byte order mark (RFC 8259, 8.1), and UTF-16 and UTF-32, which
earlier RFCs allowed and some systems still write.

msgspec takes microseconds for one number such as 1e300, so an attacker can make a megabyte of them take seconds. The
parser of the standard library is slower for everything else, but has no such case.
"""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec

from app.domain.parsing.values import PreciseFloat

T = TypeVar("T")

_POWER = re.compile(rb"[0-9][eE]\+?[0-9]{2}")  # a linear scan for any text
# Also numbers that a float may not hold exactly.
_PRECISE = re.compile(rb"[0-9](?:[0-9.]{15}|[eE](?:\+?[0-9]{2}|-[0-9]{3}))")
# A float holds all digits of a number with at most this many characters between these bounds.
SAFE_CHARS, MIN_SAFE, MAX_SAFE = 16, 1e-305, 1e305
# A byte order mark, or a NUL in the first four bytes: plain UTF-8 JSON never begins like this.
_NOT_PLAIN_UTF8 = re.compile(rb"\xef\xbb\xbf|\xfe\xff|\xff\xfe|.{0,3}\x00", re.DOTALL)


def decode(text: bytes | bytearray | str) -> Any:
    """The decoded document. Raises ValueError if it is not JSON, RecursionError if it is nested too deeply."""
    raw = text.encode() if isinstance(text, str) else to_utf8(bytes(text))
    if not _POWER.search(raw):
        return msgspec.json.decode(raw)
    msgspec.json.decode(raw, type=msgspec.Raw)  # validates: the parser of the standard library accepts more than JSON
    return json.loads(raw, parse_float=_finite_float)


def decode_as(raw: bytes | bytearray, type_: type[T]) -> T:
    """The document as this type, without other fields. Raises like `decode`, and ValueError for a wrong type."""
    return msgspec.json.decode(to_utf8(bytes(raw)), type=type_)


def declares_encoding(raw: bytes | bytearray) -> bool:
    """Whether the first bytes reveal the encoding: by a byte order mark or by wide characters."""
    return bool(_NOT_PLAIN_UTF8.match(raw))


def to_utf8(raw: bytes) -> bytes:
    """The document in UTF-8 without a byte order mark. Raises ValueError for invalid UTF-16 or UTF-32."""
    if not declares_encoding(raw):
        return raw
    name = json.detect_encoding(raw)
    return raw.decode(name).encode() if name != "utf-8" else raw


def decode_exact(text: bytes | bytearray | str) -> Any:
    """The document with exact numbers: `PreciseFloat` where a float can't hold one. Raises like `decode`."""
    raw = text.encode() if isinstance(text, str) else to_utf8(bytes(text))
    if not _PRECISE.search(raw):
        return msgspec.json.decode(raw)
    msgspec.json.decode(raw, type=msgspec.Raw)
    return json.loads(raw, parse_float=_precise)


def _precise(number: str) -> float:
    nearest = float(number)
    if len(number) <= SAFE_CHARS and MIN_SAFE < abs(nearest) < MAX_SAFE:
        return nearest
    try:
        return nearest if Decimal(number) == Decimal(repr(nearest)) else PreciseFloat(number)
    except InvalidOperation as error:
        raise ValueError("a number is out of range") from error


def _finite_float(number: str) -> float:
    """Parses a number. Python code between numbers lets other threads run."""
    value = float(number)
    if value in {float("inf"), float("-inf")}:
        raise ValueError("a number is out of range")
    return value
