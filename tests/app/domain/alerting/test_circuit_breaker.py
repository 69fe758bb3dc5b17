"""A channel that fails rests, longer each time; one that refuses for good is paused; who takes a message is well."""

import pytest
from hypothesis import given, strategies as st

from app.domain.alerting.circuit_breaker import (
    LONGEST_REST_S,
    REFUSALS,
    THRESHOLD,
    Answer,
    Passage,
    Standing,
    after,
    is_worth_telling,
    own_rest_s,
    passage,
)

NOW = 1_000_000
TAKEN, BUSY, REFUSED, BARRED, GONE = Answer.TAKEN, Answer.BUSY, Answer.REFUSED, Answer.BARRED, Answer.GONE
ANSWERS = st.lists(st.sampled_from(list(Answer)), min_size=1, max_size=60)
STANDINGS = st.builds(
    Standing, st.integers(0, 100), st.sampled_from([0, NOW - 1, NOW, NOW + 1]), st.integers(0, 5), st.booleans()
)


def told_one_by_one(*answers: Answer) -> Standing:
    standing = Standing()
    for answer in answers:
        standing = after(standing, [answer], 0, NOW)
    return standing


@pytest.mark.parametrize(
    ("answers", "failures", "rest_s"),
    [
        ([BUSY] * 4, 4, 0),
        ([BUSY] * 5, 5, 30),
        ([BUSY] * 6, 6, 60),
        ([BUSY] * 10, 10, 600),
        ([BUSY] * 99, 99, 600),
        ([BUSY] * 4 + [TAKEN, BUSY], 1, 0),
        ([BUSY] * 9 + [TAKEN], 0, 0),
        ([BUSY] * 9 + [REFUSED], 0, 0),  # it answers again, whatever it thinks of that message
    ],
)
def test_a_rest_begins_with_the_fifth_failure_in_a_row_and_doubles(answers, failures, rest_s):
    standing = told_one_by_one(*answers)
    assert (standing.failures, standing.rests_until_ms) == (failures, NOW + rest_s * 1000 if rest_s else 0)


def test_fifty_failures_of_one_moment_are_one_rest_of_the_shortest_kind():
    assert after(Standing(), [BUSY] * 50, 0, NOW) == Standing(THRESHOLD, NOW + 30_000)


def test_a_channel_that_asks_for_time_rests_at_once_and_for_that_long():
    assert after(Standing(), [BUSY], 90, NOW) == Standing(1, NOW + 90_000)


def test_a_probe_that_fails_after_such_a_rest_leads_to_another():
    rested = after(Standing(), [BUSY], 90, NOW - 100_000)
    assert passage(rested, NOW) is Passage.ONE
    assert passage(after(rested, [BUSY], 0, NOW), NOW) is Passage.NONE


@pytest.mark.parametrize(
    ("answers", "paused"),
    [
        ([BARRED] * 2, False),
        ([BARRED] * 3, True),
        ([BARRED, BUSY, BARRED, BARRED], True),
        ([BARRED, BARRED, TAKEN, BARRED], False),
        ([BARRED, BARRED, REFUSED, BARRED], False),
        ([GONE], True),
        ([REFUSED] * 50, False),  # messages nobody wants say nothing of the channel
    ],
)
def test_a_channel_is_paused_when_it_refuses_whatever_is_sent(answers, paused):
    assert told_one_by_one(*answers).paused is paused


@pytest.mark.parametrize(
    ("standing", "passes"),
    [
        (Standing(), Passage.ALL),
        (Standing(4), Passage.ALL),
        (Standing(5, NOW + 1), Passage.NONE),
        (Standing(5, NOW), Passage.ONE),
        (Standing(paused=True), Passage.NONE),
    ],
)
def test_what_may_go(standing, passes):
    assert passage(standing, NOW) is passes


@given(STANDINGS, ANSWERS, st.floats(0, 10_000))
def test_whoever_takes_a_message_is_well(standing, answers, asked_s):
    assert after(standing, [*answers, TAKEN], asked_s, NOW) == Standing()


@given(STANDINGS, ANSWERS)
def test_no_rest_is_longer_than_the_longest_when_nobody_asked(standing, answers):
    assert after(standing, answers, 0, NOW).rests_until_ms <= NOW + LONGEST_REST_S * 1000


@given(STANDINGS, st.integers(1, 60))
def test_a_half_open_channel_that_fails_rests_again(standing, count):
    if passage(standing, NOW) is Passage.ONE:
        assert passage(after(standing, [BUSY] * count, 0, NOW), NOW) is Passage.NONE


@given(st.integers(0, 1_000))
def test_a_rest_is_never_shorter_than_the_one_before(failures):
    assert own_rest_s(failures) <= own_rest_s(failures + 1) <= LONGEST_REST_S


def test_others_hear_of_it_once_when_it_is_paused_and_once_when_it_rests_as_long_as_it_can():
    standing, told = Standing(), 0
    for _ in range(50):
        later = after(standing, [BUSY], 0, NOW)
        told += is_worth_telling(standing, later)
        standing = later
    assert told == 1
    assert is_worth_telling(Standing(), after(Standing(), [BARRED] * REFUSALS, 0, NOW))
    assert not is_worth_telling(Standing(paused=True), Standing(paused=True))
