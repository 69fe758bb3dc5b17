"""Assertions: what must hold of an answer beyond "it came"."""

import pytest

from app.domain.validation.assertions import Facts, weigh
from schema.assertions import CertificateDays, Consequence, Operator, ResponseTime, Value
from schema.status import Status

SLOW = ResponseTime(within=1)
WRONG = Value(expected="42")
ENDING = CertificateDays(at_least=14)


@pytest.mark.parametrize(
    ("assertions", "facts", "status"),
    [
        ([], Facts(9), Status.UP),
        ([SLOW], Facts(1.0), Status.UP),
        ([SLOW], Facts(1.1), Status.DEGRADED),
        ([ResponseTime(within=1, otherwise=Consequence.DOWN)], Facts(1.1), Status.DOWN),
        ([SLOW, WRONG], Facts(2, "41"), Status.DOWN),
        ([WRONG, SLOW], Facts(2, "42"), Status.DEGRADED),
        ([WRONG], Facts(0), Status.DOWN),
        ([ENDING], Facts(0, certificate_days=14), Status.UP),
        ([ENDING], Facts(0, certificate_days=13.9), Status.DEGRADED),
        ([ENDING], Facts(0), Status.DEGRADED),
        ([Value(operator=Operator.DIFFERS, expected="error")], Facts(0), Status.DOWN),
        ([Value(operator=Operator.CONTAINS_NOT, expected="error")], Facts(0), Status.DOWN),
        ([Value(operator=Operator.DIFFERS, expected="error")], Facts(0, None), Status.UP),
    ],
)
def test_the_worst_consequence_counts(assertions, facts, status):
    assert weigh(assertions, facts)[0] is status


def test_the_reason_says_what_was_found_and_what_was_wanted():
    assert weigh([WRONG], Facts(0, "41")) == (Status.DOWN, "'41' is not == '42'")
    assert weigh([SLOW], Facts(2.5)) == (Status.DEGRADED, "took 2.5 s, more than 1 s")
