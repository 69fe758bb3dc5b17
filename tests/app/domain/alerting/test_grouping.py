"""The first messages are sent one by one; further ones within the window wait for a digest."""

import pytest
from hypothesis import given, strategies as st

from app.domain.alerting import grouping
from app.domain.alerting.grouping import BurstCapacity, capacity
from schema.channels.rules import ChannelRules, Grouping

NOW = 1_000_000
THREE = Grouping(max_immediate=3, window=30)


@pytest.mark.parametrize(
    ("told_ms", "free", "until_ms"),
    [
        ([], 3, NOW + 30_000),
        ([NOW], 2, NOW + 30_000),
        ([NOW, NOW - 10_000, NOW - 20_000], 0, NOW + 10_000),
        ([NOW, NOW - 10_000, NOW - 30_000], 1, NOW + 30_000),  # the oldest is out of the window
        ([NOW, NOW, NOW, NOW - 20_000], 0, NOW + 30_000),
    ],
)
def test_a_burst_is_sent_at_once_and_the_rest_when_the_window_ends(told_ms, free, until_ms):
    assert capacity(THREE, told_ms, NOW) == BurstCapacity(free, until_ms)


def test_a_burst_of_none_always_waits():
    assert capacity(Grouping(max_immediate=0, window=60), [], NOW) == BurstCapacity(0, NOW + 60_000)


@given(
    st.builds(Grouping, max_immediate=st.integers(0, 50), window=st.integers(1, 3_600)),
    st.lists(st.integers(0, NOW)).map(sorted),
)
def test_no_member_waits_longer_than_the_window(limits, told_ms):
    found = capacity(limits, told_ms[::-1], NOW)
    assert 0 <= found.free <= limits.max_immediate
    assert NOW < found.until_ms <= NOW + limits.window * 1000


@pytest.mark.parametrize(
    ("type_", "own", "expected"),
    [
        ("slack", None, grouping.DEFAULT_GROUPING),
        ("smtp", None, grouping.DEFAULT_GROUPING),
        ("webhook", None, None),
        ("pagerduty", None, None),
        ("webhook", THREE, THREE),
    ],
)
def test_people_get_digests_and_programs_single_events(type_, own, expected):
    assert grouping.grouping_of(type_, ChannelRules(grouping=own)) == expected
