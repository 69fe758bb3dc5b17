"""Backoff of a channel: longer each time, bounded, and never shorter than its Retry-After."""

import pytest
from hypothesis import given, strategies as st

from app.domain.alerting.backoff import (
    LATE_AFTER_S,
    MAX_DELAY_S,
    MAX_RETRY_AFTER_S,
    is_exhausted,
    lateness_s,
    retry_delay_s,
)

DICE = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(("attempts", "wait_s"), [(1, 1.0), (2, 2.0), (3, 4.0), (9, 256.0), (10, 300.0), (500, 300.0)])
def test_the_wait_doubles_up_to_a_limit(attempts, wait_s):
    assert retry_delay_s(attempts, None, 0.0) == wait_s


@given(attempts=st.integers(1, 10_000), dice=DICE)
def test_a_backoff_is_never_longer_than_the_limit_unless_requested(attempts, dice):
    assert 0 < retry_delay_s(attempts, None, dice) <= MAX_DELAY_S


@given(attempts=st.integers(1, 100), retry_after_s=st.floats(0, MAX_RETRY_AFTER_S), dice=DICE)
def test_a_channel_s_retry_after_is_respected(attempts, retry_after_s, dice):
    assert retry_delay_s(attempts, retry_after_s, dice) >= retry_after_s


def test_a_channel_can_not_set_an_endless_backoff():
    assert retry_delay_s(1, 10**9, 0.0) == MAX_RETRY_AFTER_S


@pytest.mark.parametrize(
    ("age_s", "permanent", "hopeless"),
    [(0, False, False), (0, True, True), (3_600, False, False), (3_601, False, True)],
)
def test_a_delivery_is_dead_when_rejected_permanently_or_expired(age_s, permanent, hopeless):
    assert is_exhausted(age_s, 3_600, permanent=permanent) is hopeless


def test_a_short_delay_is_not_mentioned():
    assert lateness_s(0, int(LATE_AFTER_S * 1000)) is None
    assert lateness_s(0, int(LATE_AFTER_S * 1000) + 500) == LATE_AFTER_S + 0.5
