"""Sanitizes untrusted data: text that any encoder and database accepts, numbers in range, bounded details. Pure.

A target chooses its own bytes. All of them that leave a probe, a push or a sender pass through here, so that they can't
break later stages.
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

MAX_TEXT_CHARS = 10_000  # of one text in a detail; the log of a job may be as long
MAX_NAME_CHARS = 200  # of a name in a detail
MAX_DEPTH, MAX_ITEMS = 8, 1_000  # levels of nesting, and items in all
MAX_TOTAL_CHARS = 50_000  # of all texts in a detail together
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1  # range of BIGINT in databases
MAX_DIGITS = 400  # of a whole number; beyond the range of floats
MAX_SHOWN_BITS = 1_024  # of a whole number that is shown with all digits
MAX_EPOCH_MS = 253_402_300_799_999  # the end of the year 9999
MAX_CODE = 32_767  # the code of a heartbeat is a SMALLINT
_RAW_BYTES = {
    0xDC80 + byte: chr(0x80 + byte) for byte in range(0x80)
}  # bytes that were not UTF-8, as Latin-1 decodes them


def single_line(text: str, limit: int) -> str:
    """One line that any database and encoder accepts: no NUL, surrogates or control characters; truncated at `limit`.

    Bytes that were decoded with `surrogateescape` become Latin-1 letters, which is what such servers send.
    """
    return one_line(_restore_latin1(text[: 2 * limit]), limit)


def multi_line(text: str, limit: int = MAX_TEXT_CHARS) -> str:
    """Text of several lines that any database and encoder accepts; line ends of protocols (CR LF) are kept."""
    lines = _restore_latin1(text[: 2 * limit]).split("\r\n")
    joined = truncate("\r\n".join(strip_invisible(line) for line in lines), limit)
    return joined.replace("\r…", "…")  # a line end that was cut in two


def message_code(number: int) -> int:
    """The code of a probe's message, or a status of the target's protocol; 0 (no code) for any other number.

    A target must not choose a code with a meaning of ours, such as "not checked" or "started".
    """
    return number if number in PROBE_CODES or MIN_STATUS_CODE <= number <= MAX_CODE else 0


def unstorable_outcome(outcome: CheckOutcome, error: Exception) -> CheckOutcome:
    """The outcome to store instead of one that can't be stored: the same slot, with status *unknown*."""
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
    """Epoch milliseconds, limited to what datetimes support: from 1970 to the end of the year 9999."""
    return min(max(number, 0), MAX_EPOCH_MS)


def bounded_detail(detail: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The detail with sanitized texts, numbers in range, and bounded size, depth and number of items."""
    if detail is None:
        return None
    return _SizeBudget().mapping(detail, MAX_DEPTH)


def _restore_latin1(text: str) -> str:
    return text if text.isascii() else text.translate(_RAW_BYTES)


class _SizeBudget:
    """Items and characters left for one detail."""

    def __init__(self) -> None:
        self._items, self._characters = MAX_ITEMS, MAX_TOTAL_CHARS

    def mapping(self, detail: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        """As many items of a mapping as the budget allows."""
        return {
            single_line(_value_text(name), MAX_NAME_CHARS): self._value(value, depth - 1)
            for name, value in self._within_budget(detail.items())
        }

    def _within_budget(self, items: Iterable[Any]) -> Iterable[Any]:
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
        return [self._value(item, depth - 1) for item in self._within_budget(value)]

    def _text(self, text: str) -> str:
        plain = multi_line(text, min(MAX_TEXT_CHARS, max(1, self._characters)))
        self._characters -= len(plain)
        return plain


def _plain_number(value: float | Decimal) -> int | float | None:
    """The number, if JSON and databases can hold it; None if it must become text to keep all digits."""
    if isinstance(value, Decimal):
        return _decimal_number(value)
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    return int(value) if MIN_INTEGER <= value <= MAX_INTEGER else None


def _decimal_number(value: Decimal) -> int | float | None:
    """A whole number, or the float with exactly these digits; None if there is none."""
    if not value.is_finite() or value.adjusted() >= MAX_DIGITS:
        return None
    if value.as_tuple().exponent == 0:
        return _plain_number(int(value))
    nearest = float(value)
    return nearest if Decimal(repr(nearest)) == value else None


def _value_text(value: Any) -> str:
    """Any value as text; if its `__str__` fails, the name of its type."""
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
    except Exception:  # noqa: BLE001  # `__str__` of a library
        return type(value).__name__
