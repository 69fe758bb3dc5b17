"""Weighs assertions against what a check saw. Pure.

Values compare as what they are (`app/domain/parsing/values.py`). An assertion on a fact that the response
does not have (no value, no certificate) does not hold.
"""

import operator
from collections.abc import Callable, Sequence

from msgspec import Struct

from app.domain.parsing.values import ABSENT, Scalar, compare_values, value_text
from schema.assertions import (
    Assertion,
    CertificateDays,
    Comparison,
    FailureStatus,
    Operator,
    ResponseTime,
    Value,
)
from schema.status import Status

_ORDER_OPERATORS: dict[Operator, Callable[[int, int], bool]] = {
    Operator.EQUALS: operator.eq,
    Operator.LESS: operator.lt,
    Operator.LESS_OR_EQUAL: operator.le,
    Operator.MORE: operator.gt,
    Operator.MORE_OR_EQUAL: operator.ge,
}
PATTERN_OPERATORS = frozenset({Operator.MATCHES, Operator.MATCHES_NOT})
MAX_SHOWN_CHARS = 80  # characters of a value in a sentence
MAX_MATCHED_BYTES = 65_536  # of a value that a pattern is held against
_FAILURE_WORDS = {
    Operator.CONTAINS: "does not contain",
    Operator.CONTAINS_NOT: "contains",
    Operator.MATCHES: "does not match",
    Operator.MATCHES_NOT: "matches",
}


class CheckFacts(Struct, frozen=True):
    """What assertions can be about."""

    took_s: float
    value: Scalar = ABSENT
    certificate_days: float | None = None


def evaluate_assertions(assertions: Sequence[Assertion], facts: CheckFacts) -> tuple[Status, str]:
    """The status that the assertions leave a passing answer, and the words for it; UP and nothing when all hold."""
    worst, words = Status.UP, ""
    for one in assertions:
        reason = _assertion_failure(one, facts)
        if reason and (worst is Status.UP or one.otherwise is FailureStatus.DOWN):
            down = one.otherwise is FailureStatus.DOWN
            worst, words = (Status.DOWN if down else Status.DEGRADED), reason
            if down:
                break
    return worst, words


def is_costly(operators: Sequence[tuple[Operator, str]], value: Scalar) -> bool:
    """Whether the patterns among these operators and what they expect take longer than the event loop can wait."""
    wanted = [expected for how, expected in operators if how in PATTERN_OPERATORS]
    if not wanted or value is ABSENT:
        return False
    from app.domain.validation import regex  # noqa: PLC0415  # a library that most checks never need

    size = min(MAX_MATCHED_BYTES, 4 * len(value_text(value)))
    return sum(regex.search_cost(one, size) for one in wanted) > regex.EVENT_LOOP_COST


def _assertion_failure(one: Assertion, facts: CheckFacts) -> str:
    """Why an assertion does not hold; empty when it does."""
    match one:
        case ResponseTime():
            return "" if facts.took_s <= one.within else f"took {facts.took_s:.3g} s, more than {one.within:g} s"
        case CertificateDays():
            return _certificate_failure(one, facts.certificate_days)
        case Value():
            return failure_reason(facts.value, one.operator, one.expected, one.compare)


def _certificate_failure(one: CertificateDays, days: float | None) -> str:
    if days is None:
        return "there is no certificate to look at"
    return "" if days >= one.at_least else f"the certificate ends in {days:.0f} days, before {one.at_least}"


def failure_reason(value: Scalar, how: Operator, expected: str, comparison: Comparison | None = None) -> str:
    """Why the value does not stand in that relation to what was expected; empty when it does."""
    if value is ABSENT:
        return "there is no value to look at"
    words = mismatch_reason(value, how, expected, comparison)
    return f"{str(value_text(value))[:MAX_SHOWN_CHARS]!r} {words}" if words else ""


def mismatch_reason(value: Scalar, how: Operator, expected: str, comparison: Comparison | None = None) -> str:
    """The same without the value in front: `is not == 'ok'`."""
    if is_satisfied(value, how, expected, comparison):
        return ""
    words = f"{_FAILURE_WORDS.get(how, f'is not {how}')} {expected[:MAX_SHOWN_CHARS]!r}"
    if how in _ORDER_OPERATORS and how is not Operator.EQUALS and compare_values(value, expected, comparison) is None:
        return f"{words}: they have no order"
    return words


def is_satisfied(value: Scalar, how: Operator, expected: str, comparison: Comparison | None = None) -> bool:
    """Whether the value stands in that relation to what was expected. Raises ValueError for a pattern that is none."""
    if value is ABSENT:
        return False
    match how:
        case Operator.CONTAINS | Operator.CONTAINS_NOT:
            return (expected in value_text(value)) is (how is Operator.CONTAINS)
        case Operator.MATCHES | Operator.MATCHES_NOT:
            return _matches(value_text(value), expected) is (how is Operator.MATCHES)
        case Operator.DIFFERS:
            return compare_values(value, expected, comparison) != 0
        case _:
            order = compare_values(value, expected, comparison)
            return order is not None and _ORDER_OPERATORS[how](order, 0)


def _matches(text: str, pattern: str) -> bool:
    """Whether the text has a part that fits, as far as we look."""
    from app.domain.validation import regex  # noqa: PLC0415  # a library that most checks never need

    return regex.contains_match(pattern, regex.encode_text(text[:MAX_MATCHED_BYTES])[:MAX_MATCHED_BYTES])
