"""Evaluates assertions on the facts of a check. Pure.

Values compare by their own types (`app/domain/parsing/values.py`). An assertion on a fact that the response does not
have (no value, no certificate) fails.
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
MAX_MATCHED_BYTES = 65_536  # of a value that a pattern is matched against
_FAILURE_WORDS = {
    Operator.CONTAINS: "does not contain",
    Operator.CONTAINS_NOT: "contains",
    Operator.MATCHES: "does not match",
    Operator.MATCHES_NOT: "matches",
}


class CheckFacts(Struct, frozen=True):
    """The facts of a check that assertions test."""

    took_s: float
    value: Scalar = ABSENT
    certificate_days: float | None = None


def evaluate_assertions(assertions: Sequence[Assertion], facts: CheckFacts) -> tuple[Status, str]:
    """The status after the assertions on a passing response, and the reason; UP and no reason when all hold."""
    worst, message = Status.UP, ""
    for assertion in assertions:
        reason = _assertion_failure(assertion, facts)
        if not reason:
            continue
        if assertion.failure_status is FailureStatus.DOWN:
            return Status.DOWN, reason
        if worst is Status.UP:
            worst, message = Status.DEGRADED, reason
    return worst, message


def is_costly(operators: Sequence[tuple[Operator, str]], value: Scalar) -> bool:
    """Whether the patterns among these operators take longer on this value than the event loop can wait."""
    patterns = [expected for how, expected in operators if how in PATTERN_OPERATORS]
    if not patterns or value is ABSENT:
        return False
    from app.domain.validation import regex  # noqa: PLC0415  # a library that most checks never need

    size = min(MAX_MATCHED_BYTES, 4 * len(value_text(value)))
    return sum(regex.search_cost(pattern, size) for pattern in patterns) > regex.EVENT_LOOP_COST


def _assertion_failure(assertion: Assertion, facts: CheckFacts) -> str:
    """Why an assertion fails; empty when it holds."""
    match assertion:
        case ResponseTime():
            is_slow = facts.took_s > assertion.max_seconds
            return f"took {facts.took_s:.3g} s, more than {assertion.max_seconds:g} s" if is_slow else ""
        case CertificateDays():
            return _certificate_failure(assertion, facts.certificate_days)
        case Value():
            return failure_reason(facts.value, assertion.operator, assertion.expected, assertion.compare)


def _certificate_failure(assertion: CertificateDays, days: float | None) -> str:
    if days is None:
        return "there is no certificate"
    return "" if days >= assertion.min_days else f"the certificate ends in {days:.0f} days, before {assertion.min_days}"


def failure_reason(value: Scalar, how: Operator, expected: str, comparison: Comparison | None = None) -> str:
    """Why the value does not compare as expected; empty when it does."""
    if value is ABSENT:
        return "there is no value"
    reason = mismatch_reason(value, how, expected, comparison)
    return f"{str(value_text(value))[:MAX_SHOWN_CHARS]!r} {reason}" if reason else ""


def mismatch_reason(value: Scalar, how: Operator, expected: str, comparison: Comparison | None = None) -> str:
    """The reason without the value in front: `is not == 'ok'`; empty when the value compares as expected."""
    if is_satisfied(value, how, expected, comparison):
        return ""
    reason = f"{_FAILURE_WORDS.get(how, f'is not {how}')} {expected[:MAX_SHOWN_CHARS]!r}"
    if how in _ORDER_OPERATORS and how is not Operator.EQUALS and compare_values(value, expected, comparison) is None:
        return f"{reason}: they have no order"
    return reason


def is_satisfied(value: Scalar, how: Operator, expected: str, comparison: Comparison | None = None) -> bool:
    """Whether the value compares as expected. Raises ValueError for an invalid pattern."""
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
    """Whether the pattern matches in the first MAX_MATCHED_BYTES of the text."""
    from app.domain.validation import regex  # noqa: PLC0415  # a library that most checks never need

    return regex.contains_match(pattern, regex.encode_text(text[:MAX_MATCHED_BYTES])[:MAX_MATCHED_BYTES])
