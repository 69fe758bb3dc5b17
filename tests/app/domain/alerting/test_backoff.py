"""Waiting for a channel: longer each time, never for ever, and never less than it asked for."""

import pytest
from hypothesis import given, strategies as st

from app.domain.alerting.backoff import (
    LATE_S,
    LONGEST_S,
    RETRY_AFTER_LIMIT_S,
    delay_s,
    given_up,
    is_hopeless,
    lateness_s,
)

DICE = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(("attempts", "wait_s"), [(1, 1.0), (2, 2.0), (3, 4.0), (9, 256.0), (10, 300.0), (500, 300.0)])
def test_the_wait_doubles_up_to_a_limit(attempts, wait_s):
    assert delay_s(attempts, None, 0.0) == wait_s


@given(attempts=st.integers(1, 10_000), dice=DICE)
def test_a_wait_is_never_longer_than_the_limit_when_nobody_asked(attempts, dice):
    assert 0 < delay_s(attempts, None, dice) <= LONGEST_S


@given(attempts=st.integers(1, 100), asked=st.floats(0, RETRY_AFTER_LIMIT_S), dice=DICE)
def test_a_channel_that_asks_for_time_gets_it(attempts, asked, dice):
    assert delay_s(attempts, asked, dice) >= asked


def test_a_channel_can_not_ask_for_silence():
    assert delay_s(1, 10**9, 0.0) == RETRY_AFTER_LIMIT_S


@pytest.mark.parametrize(
    ("age_s", "permanent", "hopeless"),
    [(0, False, False), (0, True, True), (3_600, False, False), (3_601, False, True)],
)
def test_a_delivery_is_given_up_when_refused_for_good_or_too_old(age_s, permanent, hopeless):
    assert is_hopeless(age_s, 3_600, permanent=permanent) is hopeless


def test_who_gave_up_says_when_and_why():
    assert given_up(86_400, "answered 500") == "gave up after 24 h: answered 500"
    assert given_up(5_400, "") == "gave up after 1.5 h"


def test_a_message_is_late_only_when_it_is_worth_a_word():
    assert lateness_s(0, int(LATE_S * 1000)) is None
    assert lateness_s(0, int(LATE_S * 1000) + 500) == LATE_S + 0.5
