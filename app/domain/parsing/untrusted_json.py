"""JSON that somebody else wrote, of any shape, read in bounded time. Pure.

Everything that reads JSON from outside reads it here: UTF-8 with or without a byte order mark (RFC 8259, 8.1), and
UTF-16 and UTF-32, which its predecessors allowed and some systems still write.

msgspec takes microseconds for one number such as 1e300, which is seconds for a megabyte of them; whoever sends it
chooses that. The standard library's reader is slower with everything else, and has no such case.
"""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec

from app.domain.parsing.values import PreciseFloat

T = TypeVar("T")

_POWER = re.compile(rb"[0-9][eE]\+?[0-9]{2}")  # found by one look at the text, whatever it is
_PRECISE = re.compile(rb"[0-9](?:[0-9.]{15}|[eE](?:\+?[0-9]{2}|-[0-9]{3}))")  # and what a float may not hold
# A number of so many signs, a dot or an exponent among them, has digits that a float holds, if it is no extreme.
SAFE_CHARS, MIN_SAFE, MAX_SAFE = 16, 1e-305, 1e305
# A byte order mark, or a NUL among the first four bytes: no UTF-8 JSON without a mark begins so.
_NOT_PLAIN_UTF8 = re.compile(rb"\xef\xbb\xbf|\xfe\xff|\xff\xfe|.{0,3}\x00", re.DOTALL)


def decode(text: bytes | bytearray | str) -> Any:
    """The document. Raises ValueError when it is no JSON, RecursionError when it is nested too deep."""
    raw = text.encode() if isinstance(text, str) else to_utf8(bytes(text))
    if not _POWER.search(raw):
        return msgspec.json.decode(raw)
    msgspec.json.decode(raw, type=msgspec.Raw)  # whether it is JSON: the other reader takes more for it
    return json.loads(raw, parse_float=_finite_float)


def decode_as(raw: bytes | bytearray, type_: type[T]) -> T:
    """What a type asks for of a document, and nothing else. Raises as `decoded`, also for what does not fit."""
    return msgspec.json.decode(to_utf8(bytes(raw)), type=type_)


def declares_encoding(raw: bytes | bytearray) -> bool:
    """Whether the first bytes say in what they are written: a mark, or wide characters."""
    return bool(_NOT_PLAIN_UTF8.match(raw))


def to_utf8(raw: bytes) -> bytes:
    """The same document in UTF-8 without a mark. Raises ValueError for half a character of UTF-16 or UTF-32."""
    if not declares_encoding(raw):
        return raw
    name = json.detect_encoding(raw)
    return raw.decode(name).encode() if name != "utf-8" else raw


def decode_exact(text: bytes | bytearray | str) -> Any:
    """The same with every number as it was written: `Precise` where a float can't hold it. Raises as `decoded`."""
    raw = text.encode() if isinstance(text, str) else to_utf8(bytes(text))
    if not _PRECISE.search(raw):
        return msgspec.json.decode(raw)
    msgspec.json.decode(raw, type=msgspec.Raw)
    return json.loads(raw, parse_float=_precise)


def _precise(number: str) -> float:
    found = float(number)
    if len(number) <= SAFE_CHARS and MIN_SAFE < abs(found) < MAX_SAFE:
        return found
    try:
        return found if Decimal(number) == Decimal(repr(found)) else PreciseFloat(number)
    except InvalidOperation as error:
        raise ValueError("a number is out of range") from error


def _finite_float(number: str) -> float:
    """In Python, so that others have their turn between two of them when a thread does this."""
    found = float(number)
    if found in {float("inf"), float("-inf")}:
        raise ValueError("a number is out of range")
    return found
