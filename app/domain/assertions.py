"""Weighs assertions against what a check saw. Pure.

A value compares as a number when both sides are numbers, else as text. An assertion on a fact that the answer does
not have (no value, no certificate) does not hold: silence is not agreement.
"""

import operator
from collections.abc import Callable, Sequence

from msgspec import Struct

from schema.assertions import Assertion, CertificateDays, Consequence, Operator, ResponseTime, Value
from schema.status import Status

Scalar = str | int | float | bool | None
_ORDER: dict[Operator, Callable[[float, float], bool]] = {
    Operator.LESS: operator.lt,
    Operator.LESS_OR_EQUAL: operator.le,
    Operator.MORE: operator.gt,
    Operator.MORE_OR_EQUAL: operator.ge,
}
SHOWN = 80  # characters of a value in a sentence


class Facts(Struct, frozen=True):
    """What assertions can be about."""

    took_s: float
    value: Scalar = None
    certificate_days: float | None = None


def weigh(assertions: Sequence[Assertion], facts: Facts) -> tuple[Status, str]:
    """The status that the assertions leave a passing answer, and the words for it; UP and nothing when all hold."""
    worst, words = Status.UP, ""
    for one in assertions:
        reason = _objection(one, facts)
        if reason and (worst is Status.UP or one.otherwise is Consequence.DOWN):
            down = one.otherwise is Consequence.DOWN
            worst, words = (Status.DOWN if down else Status.DEGRADED), reason
            if down:
                break
    return worst, words


def _objection(one: Assertion, facts: Facts) -> str:
    """Why an assertion does not hold; empty when it does."""
    match one:
        case ResponseTime():
            return "" if facts.took_s <= one.within else f"took {facts.took_s:.3g} s, more than {one.within:g} s"
        case CertificateDays():
            return _certificate(one, facts.certificate_days)
        case Value():
            if compares(facts.value, one.operator, one.expected):
                return ""
            return f"{text_of(facts.value)[:SHOWN]!r} is not {one.operator} {one.expected[:SHOWN]!r}"


def _certificate(one: CertificateDays, days: float | None) -> str:
    if days is None:
        return "there is no certificate to look at"
    return "" if days >= one.at_least else f"the certificate ends in {days:.0f} days, before {one.at_least}"


def compares(value: Scalar, how: Operator, expected: str) -> bool:
    """Whether the value stands in that relation to what was expected."""
    text, numbers = text_of(value), _numbers(value, expected)
    match how:
        case Operator.EQUALS:
            return numbers[0] == numbers[1] if numbers else text == expected
        case Operator.DIFFERS:
            return numbers[0] != numbers[1] if numbers else text != expected
        case Operator.CONTAINS:
            return expected in text
        case Operator.CONTAINS_NOT:
            return expected not in text
        case _:
            return bool(numbers) and _ORDER[how](*numbers)


def text_of(value: Scalar) -> str:
    """A value as JSON would write it, text as it is."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _numbers(value: Scalar, expected: str) -> tuple[float, float] | tuple[()]:
    try:
        return float(text_of(value)), float(expected)
    except ValueError:
        return ()
