"""Makes what comes from outside plain: text that every encoder and database takes, numbers that fit, facts of bounded
size. Pure.

A target chooses its own bytes. Whatever of them leaves a probe, a push or a sender passes through here, so that nothing
behind it can be stopped by them.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

from app.domain.text.formatting import cut, one_line, visible
from schema.heartbeat_texts import LEAST_STATUS, OF_PROBES
from schema.jobs import Outcome
from schema.status import Status

TEXT_LIMIT = 10_000  # characters of one text among facts; a log that a job reports has as many
NAME_LIMIT = 200  # of a fact's name
DEPTH_LIMIT, ITEM_LIMIT = 8, 1_000  # facts within facts, and how many there are in all
CHARACTER_LIMIT = 50_000  # of all texts of one detail together
SMALLEST, LARGEST = -(2**63), 2**63 - 1  # what a database's BIGINT holds
DIGITS = 400  # of a whole number, beyond what a float can be
SHOWN_BITS = 1_024  # of a whole number that is shown as text, digit by digit
LAST_MS = 253_402_300_799_999  # the end of the year 9999
LARGEST_CODE = 32_767  # a heartbeat's code is a SMALLINT
_RAW_BYTES = {0xDC80 + byte: chr(0x80 + byte) for byte in range(0x80)}  # bytes that were no UTF-8, as Latin-1 has them


def sentence(text: str, limit: int) -> str:
    """One line that any database and any encoder takes: no NUL, no surrogates, no control characters; cut at `limit`.

    Bytes that were decoded with `surrogateescape` become the Latin-1 letters that servers mean by them.
    """
    return one_line(_as_latin(text[: 2 * limit]), limit)


def lines(text: str, limit: int = TEXT_LIMIT) -> str:
    """The same for a text of several lines."""
    found = _as_latin(text[: 2 * limit]).split("\r\n")  # as protocols end their lines; they are shown as they came
    return cut("\r\n".join(visible(line) for line in found), limit).replace("\r…", "…")  # an end that was cut in two


def code(number: int) -> int:
    """The number of a probe's message, or a status of its target; 0, which is none, for any other.

    A target must not choose a number that means something to us: "nobody checked", "a job has started".
    """
    return number if number in OF_PROBES or LEAST_STATUS <= number <= LARGEST_CODE else 0


def stand_in(outcome: Outcome, error: Exception) -> Outcome:
    """What is stored for a result that can't be: the same slot, *unknown*, in our own words."""
    return Outcome(
        outcome.series,
        outcome.version,
        outcome.at_ms,
        Status.UNKNOWN,
        outcome.began_ms,
        outcome.took_us,
        message=f"the result could not be stored ({type(error).__name__}); the log has more",
        early=outcome.early,
    )


def instant_ms(number: int) -> int:
    """Epoch milliseconds that a calendar knows: from 1970 to the end of the year 9999."""
    return min(max(number, 0), LAST_MS)


def facts(detail: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A detail whose texts are plain, whose numbers fit, and whose size, depth and number of facts are bounded."""
    if detail is None:
        return None
    found: dict[str, Any] = _Budget().mapping(detail, DEPTH_LIMIT)
    return found


def _as_latin(text: str) -> str:
    return text if text.isascii() else text.translate(_RAW_BYTES)


class _Budget:
    """What is left of the items and characters that one detail may have."""

    def __init__(self) -> None:
        self._items, self._characters = ITEM_LIMIT, CHARACTER_LIMIT

    def mapping(self, found: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        """As many of its facts as there is room for."""
        return {
            sentence(_words_of(name), NAME_LIMIT): self._value(value, depth - 1)
            for name, value in self._as_many(found.items())
        }

    def _as_many(self, items: Iterable[Any]) -> Iterable[Any]:
        for item in items:
            if self._items <= 0 or self._characters <= 0:
                return
            self._items -= 1
            yield item

    def _value(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float | Decimal) and (plain := _number(value)) is not None:
            return plain
        if isinstance(value, Mapping | list | tuple | set | frozenset):
            return self._nested(value, depth)
        return self._text(_words_of(value))

    def _nested(self, value: Any, depth: int) -> Any:
        if depth <= 0:
            return "…"
        if isinstance(value, Mapping):
            return self.mapping(value, depth)
        return [self._value(one, depth - 1) for one in self._as_many(value)]

    def _text(self, text: str) -> str:
        plain = lines(text, min(TEXT_LIMIT, max(1, self._characters)))
        self._characters -= len(plain)
        return plain


def _number(value: float | Decimal) -> int | float | None:
    """The number itself, if it fits; None for one that must become words, or text that has all of its digits."""
    if isinstance(value, Decimal):
        return _of_decimal(value)
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    return int(value) if SMALLEST <= value <= LARGEST else None


def _of_decimal(value: Decimal) -> int | float | None:
    """A whole number, or the float that has these digits."""
    if not value.is_finite() or value.adjusted() >= DIGITS:
        return None
    if value.as_tuple().exponent == 0:
        return _number(int(value))
    nearest = float(value)
    return nearest if Decimal(repr(nearest)) == value else None


def _words_of(value: Any) -> str:
    """Any value as text. What a value says of itself may fail, and then its type has to do."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes | bytearray):
        return value[: 2 * TEXT_LIMIT].decode("utf-8", "surrogateescape")
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, int):
        return str(int(value)) if value.bit_length() <= SHOWN_BITS else f"a number of {value.bit_length()} bits"
    try:
        return cut(str(value), 2 * TEXT_LIMIT)
    except Exception:  # noqa: BLE001  # a foreign library's `__str__`
        return type(value).__name__
