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

from app.domain.parsing.plain_text import one_line, strip_invisible, truncate
from schema.heartbeat_texts import MIN_STATUS_CODE, PROBE_CODES
from schema.jobs import CheckOutcome
from schema.status import Status

MAX_TEXT_CHARS = 10_000  # characters of one text among facts; a log that a job reports has as many
MAX_NAME_CHARS = 200  # of a fact's name
MAX_DEPTH, MAX_ITEMS = 8, 1_000  # facts within facts, and how many there are in all
MAX_TOTAL_CHARS = 50_000  # of all texts of one detail together
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1  # what a database's BIGINT holds
MAX_DIGITS = 400  # of a whole number, beyond what a float can be
MAX_SHOWN_BITS = 1_024  # of a whole number that is shown as text, digit by digit
MAX_EPOCH_MS = 253_402_300_799_999  # the end of the year 9999
MAX_CODE = 32_767  # a heartbeat's code is a SMALLINT
_RAW_BYTES = {0xDC80 + byte: chr(0x80 + byte) for byte in range(0x80)}  # bytes that were no UTF-8, as Latin-1 has them


def single_line(text: str, limit: int) -> str:
    """One line that any database and any encoder takes: no NUL, no surrogates, no control characters; cut at `limit`.

    Bytes that were decoded with `surrogateescape` become the Latin-1 letters that servers mean by them.
    """
    return one_line(_restore_latin1(text[: 2 * limit]), limit)


def multi_line(text: str, limit: int = MAX_TEXT_CHARS) -> str:
    """The same for a text of several lines."""
    found = _restore_latin1(text[: 2 * limit]).split(
        "\r\n"
    )  # as protocols end their lines; they are shown as they came
    return truncate("\r\n".join(strip_invisible(line) for line in found), limit).replace(
        "\r…", "…"
    )  # an end that was cut in two


def message_code(number: int) -> int:
    """The number of a probe's message, or a status of its target; 0, which is none, for any other.

    A target must not choose a number that means something to us: "nobody checked", "a job has started".
    """
    return number if number in PROBE_CODES or MIN_STATUS_CODE <= number <= MAX_CODE else 0


def unstorable_outcome(outcome: CheckOutcome, error: Exception) -> CheckOutcome:
    """What is stored for a result that can't be: the same slot, *unknown*, in our own words."""
    return CheckOutcome(
        outcome.series,
        outcome.version,
        outcome.at_ms,
        Status.UNKNOWN,
        outcome.began_ms,
        outcome.took_us,
        message=f"the result could not be stored ({type(error).__name__}); the log has more",
        early=outcome.early,
    )


def clamp_epoch_ms(number: int) -> int:
    """Epoch milliseconds that a calendar knows: from 1970 to the end of the year 9999."""
    return min(max(number, 0), MAX_EPOCH_MS)


def bounded_detail(detail: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A detail whose texts are plain, whose numbers fit, and whose size, depth and number of facts are bounded."""
    if detail is None:
        return None
    found: dict[str, Any] = _SizeBudget().mapping(detail, MAX_DEPTH)
    return found


def _restore_latin1(text: str) -> str:
    return text if text.isascii() else text.translate(_RAW_BYTES)


class _SizeBudget:
    """What is left of the items and characters that one detail may have."""

    def __init__(self) -> None:
        self._items, self._characters = MAX_ITEMS, MAX_TOTAL_CHARS

    def mapping(self, found: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        """As many of its facts as there is room for."""
        return {
            single_line(_value_text(name), MAX_NAME_CHARS): self._value(value, depth - 1)
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
        if isinstance(value, int | float | Decimal) and (plain := _plain_number(value)) is not None:
            return plain
        if isinstance(value, Mapping | list | tuple | set | frozenset):
            return self._nested(value, depth)
        return self._text(_value_text(value))

    def _nested(self, value: Any, depth: int) -> Any:
        if depth <= 0:
            return "…"
        if isinstance(value, Mapping):
            return self.mapping(value, depth)
        return [self._value(one, depth - 1) for one in self._as_many(value)]

    def _text(self, text: str) -> str:
        plain = multi_line(text, min(MAX_TEXT_CHARS, max(1, self._characters)))
        self._characters -= len(plain)
        return plain


def _plain_number(value: float | Decimal) -> int | float | None:
    """The number itself, if it fits; None for one that must become words, or text that has all of its digits."""
    if isinstance(value, Decimal):
        return _decimal_number(value)
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    return int(value) if MIN_INTEGER <= value <= MAX_INTEGER else None


def _decimal_number(value: Decimal) -> int | float | None:
    """A whole number, or the float that has these digits."""
    if not value.is_finite() or value.adjusted() >= MAX_DIGITS:
        return None
    if value.as_tuple().exponent == 0:
        return _plain_number(int(value))
    nearest = float(value)
    return nearest if Decimal(repr(nearest)) == value else None


def _value_text(value: Any) -> str:
    """Any value as text. What a value says of itself may fail, and then its type has to do."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes | bytearray):
        return value[: 2 * MAX_TEXT_CHARS].decode("utf-8", "surrogateescape")
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, int):
        return str(int(value)) if value.bit_length() <= MAX_SHOWN_BITS else f"a number of {value.bit_length()} bits"
    try:
        return truncate(str(value), 2 * MAX_TEXT_CHARS)
    except Exception:  # noqa: BLE001  # a foreign library's `__str__`
        return type(value).__name__
