"""Schedules are translated to text and back."""

import pytest
from hypothesis import given, strategies as st

from app.domain.compat import schedules


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("every 5 minutes", 300),
        ("every 1 minute", 60),
        ("Every  30 Seconds", 30),
        ("every hour", 3600),
        ("every 31 days", 2_678_400),
        ("every 4 seconds", None),
        ("every 32 days", None),
        ("every -5 minutes", None),
        ("every 1.5 hours", None),
        ("5 minutes", None),
        ("every ٣ hours", None),
        ("", None),
    ],
)
def test_every_so_often_is_a_number_of_seconds(text, seconds):
    assert schedules.parse_interval(text) == seconds


@given(st.integers(schedules.MIN_S, schedules.MAX_S))
def test_every_interval_has_a_text_that_parses_back(seconds):
    assert schedules.parse_interval(schedules.format_interval(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"), [(300, "every 5 minutes"), (90, "every 90 seconds"), (3600, "every 1 hour")]
)
def test_the_largest_unit_that_comes_out_even_is_used(seconds, text):
    assert schedules.format_interval(seconds) == text
