"""When an end is worth a notice, and how many days there are left."""

import pytest
from hypothesis import given, strategies as st

from app.domain.alerting.expiry import DAY_MS, days_left, reached_thresholds

USUAL = [30, 14, 7, 3, 1, 0]
ENDS = 40 * DAY_MS


@pytest.mark.parametrize(
    ("left_ms", "reached", "days"),
    [
        (31 * DAY_MS, [], 31),
        (31 * DAY_MS - 1, [30], 30),
        (30 * DAY_MS, [30], 30),
        (15 * DAY_MS, [30], 15),
        (15 * DAY_MS - 1, [14, 30], 14),
        (5 * DAY_MS, [7, 14, 30], 5),
        (2 * DAY_MS - 1, [1, 3, 7, 14, 30], 1),
        (DAY_MS, [1, 3, 7, 14, 30], 1),
        (DAY_MS - 1, [1, 3, 7, 14, 30], 0),
        (1, [1, 3, 7, 14, 30], 0),
        (0, [0, 1, 3, 7, 14, 30], 0),
        (-1, [0, 1, 3, 7, 14, 30], -1),
        (-3 * DAY_MS, [0, 1, 3, 7, 14, 30], -3),
    ],
)
def test_a_threshold_is_reached_when_so_many_days_are_left(left_ms, reached, days):
    assert reached_thresholds(ENDS, ENDS - left_ms, USUAL) == reached
    assert days_left(ENDS, ENDS - left_ms) == days


def test_without_thresholds_no_notice_is_sent():
    assert reached_thresholds(0, ENDS, []) == []


@given(
    steps=st.lists(st.integers(0, 20 * DAY_MS), max_size=30),
    thresholds=st.lists(st.integers(0, 90), max_size=6),
)
def test_time_only_tightens(steps, thresholds):
    at_ms, before = -60 * DAY_MS, set[int]()
    for step in steps:
        at_ms += step
        now = reached_thresholds(ENDS, at_ms, thresholds)
        assert before <= set(now)
        assert now == sorted(set(now))
        assert all(days_left(ENDS, at_ms) <= days for days in now)
        before = set(now)


@given(left_ms=st.integers(-400 * DAY_MS, 400 * DAY_MS), threshold=st.integers(1, 90))
def test_the_days_in_a_notice_are_within_its_threshold(left_ms, threshold):
    is_reached = reached_thresholds(ENDS, ENDS - left_ms, [threshold]) == [threshold]
    assert is_reached == (days_left(ENDS, ENDS - left_ms) <= threshold)
