"""JSON that somebody else wrote, of any shape, read in bounded time. Pure.

msgspec takes microseconds for one number such as 1e300, which is seconds for a megabyte of them; whoever sends it
chooses that. The standard library's reader is slower with everything else, and has no such case.
"""

import json
import re
from typing import Any

import msgspec

_POWER = re.compile(rb"[0-9][eE]\+?[0-9]{2}")  # found by one look at the text, whatever it is


def decoded(text: bytes | bytearray | str) -> Any:
    """The document. Raises ValueError when it is no JSON, RecursionError when it is nested too deep."""
    raw = text.encode() if isinstance(text, str) else bytes(text)
    if not _POWER.search(raw):
        return msgspec.json.decode(raw)
    msgspec.json.decode(raw, type=msgspec.Raw)  # whether it is JSON: the other reader takes more for it
    return json.loads(raw, parse_float=_float)


def _float(number: str) -> float:
    """In Python, so that others have their turn between two of them when a thread does this."""
    found = float(number)
    if found in {float("inf"), float("-inf")}:
        raise ValueError("a number is out of range")
    return found
