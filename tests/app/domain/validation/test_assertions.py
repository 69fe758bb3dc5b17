"""Assertions: what must hold of a response beyond its arrival."""

import pytest

from app.domain.validation.assertions import CheckFacts, evaluate_assertions
from schema.assertions import CertificateDays, FailureStatus, Operator, ResponseTime, Value
from schema.status import Status

SLOW = ResponseTime(max_seconds=1)
WRONG = Value(expected="42")
ENDING = CertificateDays(min_days=14)


@pytest.mark.parametrize(
    ("assertions", "facts", "status"),
    [
        ([], CheckFacts(9), Status.UP),
        ([SLOW], CheckFacts(1.0), Status.UP),
        ([SLOW], CheckFacts(1.1), Status.DEGRADED),
        ([ResponseTime(max_seconds=1, failure_status=FailureStatus.DOWN)], CheckFacts(1.1), Status.DOWN),
        ([SLOW, WRONG], CheckFacts(2, "41"), Status.DOWN),
        ([WRONG, SLOW], CheckFacts(2, "42"), Status.DEGRADED),
        ([WRONG], CheckFacts(0), Status.DOWN),
        ([ENDING], CheckFacts(0, certificate_days=14), Status.UP),
        ([ENDING], CheckFacts(0, certificate_days=13.9), Status.DEGRADED),
        ([ENDING], CheckFacts(0), Status.DEGRADED),
        ([Value(operator=Operator.DIFFERS, expected="error")], CheckFacts(0), Status.DOWN),
        ([Value(operator=Operator.CONTAINS_NOT, expected="error")], CheckFacts(0), Status.DOWN),
        ([Value(operator=Operator.DIFFERS, expected="error")], CheckFacts(0, None), Status.UP),
    ],
)
def test_the_worst_consequence_counts(assertions, facts, status):
    assert evaluate_assertions(assertions, facts)[0] is status


def test_the_reason_has_the_found_and_the_expected_value():
    assert evaluate_assertions([WRONG], CheckFacts(0, "41")) == (Status.DOWN, "'41' is not == '42'")
    assert evaluate_assertions([SLOW], CheckFacts(2.5)) == (Status.DEGRADED, "took 2.5 s, more than 1 s")
