"""Assertions: what must hold of an answer beyond "it came"."""

import pytest
from hypothesis import given, strategies as st

from app.domain.assertions import Facts, compares, weigh
from schema.assertions import CertificateDays, Consequence, Operator, ResponseTime, Value
from schema.status import Status


@pytest.mark.parametrize(
    ("value", "how", "expected", "holds"),
    [
        ("10", "==", "10.0", True),
        ("ten", "==", "10", False),
        ("ok", "==", "ok", True),
        (True, "==", "true", True),
        (None, "==", "null", True),
        (3, "!=", "3.0", False),
        (2, "<", "10", True),
        ("2", "<", "10", True),
        ("b", "<", "c", False),
        (10, ">=", "10", True),
        (11, "<=", "10", False),
        (11, ">", "10", True),
        ("all systems go", "contains", "systems", True),
        ("all systems go", "not_contains", "systems", False),
    ],
)
def test_numbers_compare_as_numbers_and_everything_else_as_text(value, how, expected, holds):
    assert compares(value, Operator(how), expected) is holds


@given(st.integers(-1000, 1000), st.integers(-1000, 1000))
def test_less_and_more_or_equal_are_opposites(one, other):
    assert compares(one, Operator.LESS, str(other)) is not compares(one, Operator.MORE_OR_EQUAL, str(other))


@given(st.text(max_size=20), st.text(max_size=20))
def test_equal_and_different_are_opposites(one, other):
    assert compares(one, Operator.EQUALS, other) is not compares(one, Operator.DIFFERS, other)


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
    ],
)
def test_the_worst_consequence_counts(assertions, facts, status):
    assert weigh(assertions, facts)[0] is status


def test_the_reason_says_what_was_found_and_what_was_wanted():
    assert weigh([WRONG], Facts(0, "41")) == (Status.DOWN, "'41' is not == '42'")
    assert weigh([SLOW], Facts(2.5)) == (Status.DEGRADED, "took 2.5 s, more than 1 s")
