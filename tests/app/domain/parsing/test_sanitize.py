"""External text is cleaned: encodable, bounded, without hidden characters."""

import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum

import msgspec
import pytest
from hypothesis import given, strategies as st

from app.domain.parsing import sanitize
from schema.heartbeat_texts import ANSWERED, LOGGED, MISSED, NO_ANSWER, NOT_CHECKED, PUSHED, STARTED

TEXTS = st.text(st.characters(exclude_categories=()), max_size=200)  # surrogates and control characters too
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | TEXTS | st.binary(max_size=100)
FACTS = st.dictionaries(
    TEXTS,
    st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4)),
    max_size=6,
)


def unseen(text: str) -> list[str]:
    """Characters that databases, encoders or terminals stumble over."""
    return [one for one in text if unicodedata.category(one) in {"Cc", "Cs"} and one not in "\r\n\t"]


def texts_of(value: object) -> list[str]:
    """Every text in it, names too."""
    if isinstance(value, dict):
        return texts_of([*value, *value.values()])
    if isinstance(value, list):
        return [text for one in value for text in texts_of(one)]
    return [value] if isinstance(value, str) else []


@given(TEXTS)
def test_a_sentence_is_one_bounded_line_that_can_be_encoded(text):
    found = sanitize.single_line(text, 50)
    assert len(found) <= 50
    assert found.encode().decode() == found
    assert not unseen(found)
    assert "\n" not in found


@given(FACTS)
def test_facts_can_be_encoded_and_stored(detail):
    found = msgspec.json.decode(msgspec.json.encode(sanitize.bounded_detail(detail)))
    assert not [text for text in texts_of(found) if unseen(text)]


@given(FACTS)
def test_bounding_a_detail_twice_changes_nothing(detail):
    once = sanitize.bounded_detail(detail)
    assert sanitize.bounded_detail(once) == once


class Odd:
    def __str__(self) -> str:
        raise RuntimeError


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("caf\udce9", "café"),  # a header in ISO 8859-1, as aiohttp decodes it
        ("a\x00b", "a b"),
        ("a\ud800b", "a b"),
        ("two\r\nlines\ttabbed", "two\r\nlines\ttabbed"),
        ("old\rlines", "old\nlines"),
        ("\x1b[31mred\x1b[0m", " [31mred [0m"),
        (b"caf\xe9", "café"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (2**63 - 1, 2**63 - 1),
        (2**64, "18446744073709551616"),
        (2**2_000, "a number of 2001 bits"),
        (Decimal(9007199254740993), 9_007_199_254_740_993),
        (Decimal("1.50"), 1.5),
        (Decimal("0.1000000000000000055511151231257827"), "0.1000000000000000055511151231257827"),
        (Decimal("1e999999999"), "1E+999999999"),
        (Decimal("NaN"), "NaN"),
        (True, True),
        (None, None),
        ((1, 2), [1, 2]),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (Odd(), "Odd"),
        (Colour.RED, "Colour.RED"),
    ],
)
def test_any_detail_value_becomes_text(value, expected):
    assert sanitize.bounded_detail({"fact": value}) == {"fact": expected}


def test_a_number_that_python_writes_no_digits_of_is_described():
    assert sanitize.bounded_detail({"fact": 10**5000}) == {"fact": "a number of 16610 bits"}


def test_a_detail_has_a_bounded_depth_and_size():
    deep: dict = {}
    for _ in range(5_000):
        deep = {"in": deep}
    wide = {f"n{number}": "x" * 1_000 for number in range(100_000)}
    assert len(msgspec.json.encode(sanitize.bounded_detail(deep))) < 200
    assert len(msgspec.json.encode(sanitize.bounded_detail(wide))) < 70_000
    assert sanitize.bounded_detail({"log": "x" * 10_000_000}) == {"log": "x" * (sanitize.MAX_TEXT_CHARS - 1) + "…"}


@pytest.mark.parametrize("ours", [NOT_CHECKED, MISSED, PUSHED, STARTED, LOGGED, 99, -1, 2**15, 2**40])
def test_a_target_chooses_no_number_that_means_something_to_us(ours):
    assert sanitize.message_code(ours) == 0


@pytest.mark.parametrize("fine", [0, ANSWERED, NO_ANSWER, 100, 200, 599, 999])
def test_statuses_and_what_probes_see_keep_their_number(fine):
    assert sanitize.message_code(fine) == fine


@pytest.mark.parametrize("limit", range(1, 14))
def test_no_line_end_is_cut_in_two(limit: int) -> None:
    text = sanitize.multi_line("ab\r\ncd\r\nefgh\r\n", limit)
    assert len(text) <= limit
    assert "\r" not in text.replace("\r\n", "")
