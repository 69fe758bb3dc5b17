"""Values compare as the target sent them: exact numbers, text as text, and a missing value never matches."""

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import example, given, strategies as st

from app.domain.parsing.values import ABSENT, Untyped, compare_values, exact_number, parse_decimal, value_text
from app.domain.validation import json_query
from app.domain.validation.assertions import PATTERN_OPERATORS, failure_reason, is_costly, is_satisfied
from schema.assertions import Comparison, Operator
from schema.targets.http import JsonLanguage

BIG = 9_007_199_254_740_993  # 2 ** 53 + 1: the first that a float can't hold
ORDERS = (Operator.LESS, Operator.EQUALS, Operator.MORE)
NUMBERS = st.integers() | st.decimals(allow_nan=False, allow_infinity=False)
DIGITS = st.from_regex(r"\A[+-]?[0-9]{1,20}(\.[0-9]{0,20})?\Z")
TEXTS = (
    st.text(max_size=30) | DIGITS | st.sampled_from(["", "1e5", "NaN", "-", "٣", "1_0", "0x10", " 1", "true", "null"])
)
VALUES = st.none() | st.booleans() | st.just(ABSENT) | NUMBERS | st.decimals() | TEXTS | TEXTS.map(Untyped)


@pytest.mark.parametrize(
    ("value", "how", "expected", "holds"),
    [
        ("1.10", "==", "1.1", False),  # text in JSON, a version
        ("1.10", "!=", "1.1", True),
        ("10", "<", "9", True),
        ("b", "<", "c", True),
        ("2026-01-02T00:00:00Z", ">", "2026-01-01", True),
        (BIG, "==", str(BIG - 1), False),
        (BIG, ">", str(BIG - 1), True),
        (BIG, "==", str(BIG), True),
        (Decimal("0.1"), "==", "0.1", True),
        (Decimal("0.1"), "==", "0.10", True),
        (Decimal("0.1000000000000000055511151231257827"), ">", "0.1", True),
        (10, "==", "10.0", True),
        (3, "!=", "3.0", False),
        (2, "<", "10", True),
        (1_000, "==", "1e3", True),
        (5, "==", "five", False),
        (5, "<", "five", False),
        (5, ">=", "five", False),
        (2**64 - 1, "==", "18446744073709551615", True),
        (Untyped("10"), "==", "10.0", True),  # a header: it may be a number
        (Untyped("2"), "<", "10", True),
        (Untyped("42\r\n"), "==", "42", True),
        (Untyped("1e5"), "==", "100000", False),
        (Untyped("b"), "<", "c", True),
        (Untyped("N/A"), "<", "5", False),  # no number: neither below nor above one
        (Untyped(""), "<", "5", False),
        (Untyped("N/A"), "!=", "5", True),
        (Untyped("٣"), "==", "3", False),
        (True, "==", "true", True),
        (True, ">", "false", False),
        (None, "==", "null", True),
        (None, "<", "5", False),
        ("all systems go", "contains", "systems", True),
        ("all systems go", "not_contains", "systems", False),
        (BIG, "contains", "993", True),
        ("v1.10.3", "matches", r"^v1\.1\d\.", True),
        ("v1.10.3", "not_matches", "^v2", True),
        (BIG, "matches", "^9.*3$", True),
        (True, "matches", "^true$", True),
        (None, "matches", "null", True),
    ],
)
def test_values_compare_as_what_they_are(value, how, expected, holds):
    assert is_satisfied(value, Operator(how), expected) is holds
    assert (failure_reason(value, Operator(how), expected) == "") is holds


@pytest.mark.parametrize(
    ("value", "comparison", "how", "expected", "holds"),
    [
        ("42", "number", "<", "100", True),
        ("42.50", "number", "==", "42.5", True),
        ("1e2", "number", "<", "101", True),
        ("forty", "number", "<", "100", False),
        ("forty", "number", ">", "100", False),
        (True, "number", "<", "100", False),
        (42, "number", "<", "100", True),
        (Untyped("1.10"), "text", "==", "1.1", False),
        (10, "text", "<", "9", True),
        (True, "text", "==", "true", True),
    ],
)
def test_a_monitor_may_set_the_types_of_both_sides(value, comparison, how, expected, holds):
    assert is_satisfied(value, Operator(how), expected, Comparison(comparison)) is holds


@pytest.mark.parametrize("how", Operator)
def test_a_missing_value_fails_every_operator(how):
    assert not is_satisfied(ABSENT, how, "1")
    assert failure_reason(ABSENT, how, "1") == "there is no value"


@pytest.mark.parametrize(
    ("value", "how", "expected", "message"),
    [
        ("up", "==", "down", "'up' is not == 'down'"),
        ("up", "contains", "x", "'up' does not contain 'x'"),
        ("up", "not_contains", "u", "'up' contains 'u'"),
        ("up", "matches", "x+", "'up' does not match 'x+'"),
        ("up", "not_matches", "u", "'up' matches 'u'"),
        (Untyped("N/A"), "<", "5", "'N/A' is not < '5': they have no order"),
        (5, "<", "4", "'5' is not < '4'"),
    ],
)
def test_the_reason_is_a_sentence(value, how, expected, message):
    assert failure_reason(value, Operator(how), expected) == message


@given(VALUES, TEXTS, st.sampled_from([None, *Comparison]))
@example(10**5_000, "1", None)
@example(Decimal("1e999999999999999999"), "1", None)
@example(Decimal("10e999999999999999998"), "1e9999", None)
@example(Decimal("sNaN"), "1", Comparison.TEXT)
@example(Decimal("sNaN"), "1", None)
@example(Decimal("NaN"), "1", Comparison.NUMBER)
def test_any_pair_has_an_answer_and_exactly_one_place(value, expected, comparison):
    """No exception; equal and different are opposites; of <, == and > one holds at most, <= and >= agree with them."""
    holds = {how: is_satisfied(value, how, expected, comparison) for how in Operator if how not in PATTERN_OPERATORS}
    assert sum(holds[how] for how in ORDERS) <= 1
    assert holds[Operator.LESS_OR_EQUAL] is (holds[Operator.LESS] or holds[Operator.EQUALS])
    assert holds[Operator.MORE_OR_EQUAL] is (holds[Operator.MORE] or holds[Operator.EQUALS])
    if value is not ABSENT:
        assert holds[Operator.EQUALS] is not holds[Operator.DIFFERS]
        assert holds[Operator.CONTAINS] is not holds[Operator.CONTAINS_NOT]


@given(NUMBERS, NUMBERS)
def test_numbers_have_the_order_that_they_have(one, other):
    written = str(Decimal(other))
    if parse_decimal(written) is not None:
        assert compare_values(one, written) == (one > other) - (one < other)


@given(TEXTS, TEXTS)
def test_text_has_the_order_that_it_has(one, other):
    assert compare_values(one, other) == (one > other) - (one < other)
    assert compare_values(one, other, Comparison.TEXT) == compare_values(one, other)


@given(TEXTS | DIGITS, TEXTS | DIGITS, st.sampled_from([None, *Comparison]))
def test_turned_round_the_order_is_turned_round(one, other, comparison):
    there = compare_values(Untyped(one.strip()), other.strip(), comparison)
    back = compare_values(Untyped(other.strip()), one.strip(), comparison)
    assert back == (None if there is None else -there)


@given(st.integers(-(10**40), 10**40), st.integers(0, 30))
def test_no_digit_is_lost_on_the_way_out_of_json(number, places):
    """A number of any length is compared by all of its digits."""
    written = f"{number}e-{places}"
    found = json_query.find_first(JsonLanguage.JSONPATH, "$.v", f'{{"v": {written}}}')
    assert is_satisfied(found, Operator.EQUALS, written)
    assert not is_satisfied(found, Operator.EQUALS, f"{number}1e-{places + 1}")
    assert is_satisfied(found, Operator.LESS, f"{number + 1}e-{places}")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_the_number_that_it_is_written_as(number):
    assert value_text(exact_number(number)) != ""
    assert compare_values(exact_number(number), repr(number)) == 0


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ('{"v": 9007199254740993}', "$.v", "9007199254740993"),
        ('{"v": 0.1000000000000000055511151231257827}', "$.v", "0.1000000000000000055511151231257827"),
        ('{"v": 1e400}', "$.v", "1E+400"),
        ('{"v": 1e-400}', "$.v", "1E-400"),
        ('{"v": 12345678901234567.25}', "$", '{"v":12345678901234567.25}'),
        ('{"v": [1.0, 12345678901234567.25]}', "$.v[?@ > 2]", "12345678901234567.25"),
        ('{"v": null}', "$.v", "null"),
        ('{"v": "1.10"}', "$.v", "1.10"),
    ],
)
def test_a_path_leads_to_what_is_there(text, query, expected):
    assert value_text(json_query.find_first(JsonLanguage.JSONPATH, query, text)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("max_by(@, &v).v", "12345678901234567.25"),
        ("sort_by(@, &v)[0].v", "1"),
        ("[0].v", "12345678901234567.25"),
        ("length(@)", "2"),
        ("to_string([0])", '{"v":12345678901234567.25}'),
        ("sum([].v) > `2`", "true"),
    ],
)
def test_an_expression_takes_long_numbers_for_numbers(query, expected):
    text = '[{"v": 12345678901234567.25}, {"v": 1}]'
    assert value_text(json_query.find_first(JsonLanguage.JMESPATH, query, text)) == expected


@pytest.mark.parametrize(("how", "size"), [*product(sorted(PATTERN_OPERATORS), [10, 70_000])])
def test_long_work_for_a_pattern_leaves_the_event_loop(how, size):
    assert is_costly([(how, "(a?){200}b")], "a" * size) is (size > 10)
    assert not is_costly([(Operator.EQUALS, "a"), (how, "a")], ABSENT)
