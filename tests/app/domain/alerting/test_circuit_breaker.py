"""The circuit of a channel opens for longer each time; permanent rejections disable it; a success closes it."""

import pytest
from hypothesis import given, strategies as st

from app.domain.alerting.circuit_breaker import (
    FAILURE_THRESHOLD,
    MAX_BACKOFF_S,
    MESSAGE_THRESHOLD,
    REJECTION_THRESHOLD,
    AttemptOutcome,
    Circuit,
    CircuitState,
    backoff_s,
    circuit_at,
    next_state,
    should_alert,
)

NOW = 1_000_000
TAKEN, BUSY, REFUSED, BARRED, GONE = (
    AttemptOutcome.ACCEPTED,
    AttemptOutcome.TEMPORARY_FAILURE,
    AttemptOutcome.MESSAGE_REJECTED,
    AttemptOutcome.CHANNEL_REJECTED,
    AttemptOutcome.CHANNEL_GONE,
)
ANSWERS = st.lists(st.sampled_from(list(AttemptOutcome)), min_size=1, max_size=60)
STATES = st.builds(
    CircuitState,
    st.integers(0, 100),
    st.sampled_from([0, NOW - 1, NOW, NOW + 1]),
    st.integers(0, 5),
    st.booleans(),
    st.integers(0, 9),
)


def state_after(*answers: AttemptOutcome) -> CircuitState:
    state = CircuitState()
    for answer in answers:
        state = next_state(state, [answer], 0, NOW, with_trial=True)
    return state


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
        ([BUSY] * 9 + [REFUSED], 0, 0),  # it answers again
    ],
)
def test_a_rest_begins_with_the_fifth_failure_in_a_row_and_doubles(answers, failures, rest_s):
    state = state_after(*answers)
    assert (state.failures, state.open_until_ms) == (failures, NOW + rest_s * 1000 if rest_s else 0)


def test_fifty_failures_of_one_moment_are_one_rest_of_the_shortest_kind():
    assert next_state(CircuitState(), [BUSY] * 50, 0, NOW) == CircuitState(FAILURE_THRESHOLD, NOW + 30_000)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 20_000)), min_size=1, max_size=30))
def test_failures_of_attempts_that_began_before_are_one_rest_however_they_are_recorded(batches):
    """So many failures at a time, and the milliseconds until then."""
    state, now_ms = CircuitState(), NOW
    opened_ms = 0
    for count, later_ms in batches:
        now_ms += later_ms
        state = next_state(state, [BUSY] * count, 0, now_ms)
        opened_ms = opened_ms or (now_ms if state.open_until_ms else 0)
    is_open = sum(count for count, _ in batches) >= FAILURE_THRESHOLD
    assert state.open_until_ms == (opened_ms + 30_000 if is_open else 0)
    assert state.failures <= FAILURE_THRESHOLD


def test_a_retry_after_prolongs_a_rest_at_any_time():
    assert next_state(CircuitState(5, NOW + 30_000), [BUSY], 90, NOW) == CircuitState(5, NOW + 90_000)
    assert next_state(CircuitState(5, NOW + 30_000), [BUSY], 9, NOW) == CircuitState(5, NOW + 30_000)


def test_a_retry_after_opens_the_circuit_at_once_and_for_that_long():
    assert next_state(CircuitState(), [BUSY], 90, NOW) == CircuitState(1, NOW + 90_000)


def test_a_probe_that_fails_after_such_a_rest_leads_to_another():
    rested = next_state(CircuitState(), [BUSY], 90, NOW - 100_000)
    assert circuit_at(rested, NOW) is Circuit.HALF_OPEN
    assert circuit_at(next_state(rested, [BUSY], 0, NOW, with_trial=True), NOW) is Circuit.OPEN


@pytest.mark.parametrize(
    ("answers", "paused"),
    [
        ([BARRED] * 2, False),
        ([BARRED] * 3, True),
        ([BARRED, BUSY, BARRED, BARRED], True),
        ([BARRED, BARRED, TAKEN, BARRED], False),
        ([BARRED, BARRED, REFUSED, BARRED], True),
        ([GONE], True),
        ([REFUSED] * 4, False),
        ([REFUSED] * 5, True),  # five different messages, and none was accepted in between
        ([REFUSED, BUSY] * 5, True),
        ([REFUSED, TAKEN] * 50, False),
        ([REFUSED] * 4 + [TAKEN] + [REFUSED] * 4, False),
        ([REFUSED, REFUSED, REFUSED, BARRED, BARRED], True),
    ],
)
def test_a_channel_is_paused_when_it_refuses_whatever_is_sent(answers, paused):
    assert state_after(*answers).disabled is paused


@pytest.mark.parametrize(
    ("state", "passes"),
    [
        (CircuitState(), Circuit.CLOSED),
        (CircuitState(4), Circuit.CLOSED),
        (CircuitState(5, NOW + 1), Circuit.OPEN),
        (CircuitState(5, NOW), Circuit.HALF_OPEN),
        (CircuitState(disabled=True), Circuit.OPEN),
    ],
)
def test_a_circuit_half_opens_at_its_deadline_unless_disabled(state, passes):
    assert circuit_at(state, NOW) is passes


@given(STATES, ANSWERS, st.floats(0, 10_000))
def test_an_accepted_message_closes_the_circuit(state, answers, asked_s):
    assert next_state(state, [*answers, TAKEN], asked_s, NOW) == CircuitState()


@given(STATES, ANSWERS)
def test_an_open_circuit_never_exceeds_the_limit_unless_requested(state, answers):
    assert next_state(state, answers, 0, NOW).open_until_ms <= NOW + MAX_BACKOFF_S * 1000


@given(STATES, st.integers(1, 60))
def test_a_half_open_circuit_that_fails_opens_again(state, count):
    if circuit_at(state, NOW) is Circuit.HALF_OPEN:
        assert circuit_at(next_state(state, [BUSY] * count, 0, NOW, with_trial=True), NOW) is Circuit.OPEN


@given(st.lists(st.sampled_from([BUSY, REFUSED, BARRED]), max_size=30))
def test_a_channel_is_disabled_by_enough_rejections_without_a_success_and_by_nothing_else(answers):
    rejections = answers.count(BARRED)
    enough = rejections >= REJECTION_THRESHOLD or rejections + answers.count(REFUSED) >= MESSAGE_THRESHOLD
    assert state_after(*answers).disabled is enough
    in_parallel = next_state(CircuitState(), answers, 0, NOW)
    assert in_parallel.disabled is enough


@given(STATES, ANSWERS)
def test_only_a_success_enables_a_disabled_channel(state, answers):
    if state.disabled:
        assert next_state(state, answers, 0, NOW).disabled is (TAKEN not in answers)


@given(STATES)
def test_one_rejected_message_alone_disables_nothing(state):
    before = CircuitState(state.failures, state.open_until_ms)
    after = next_state(before, [REFUSED], 0, NOW)
    assert (after.disabled, after.failures, after.open_until_ms, after.rejected) == (False, 0, 0, 1)


@given(st.integers(0, 1_000))
def test_a_rest_is_never_shorter_than_the_one_before(failures):
    assert backoff_s(failures) <= backoff_s(failures + 1) <= MAX_BACKOFF_S


def test_others_are_alerted_when_it_is_paused_and_at_the_longest_open_circuit():
    state, n_alerts = CircuitState(), 0
    for _ in range(50):
        later = next_state(state, [BUSY], 0, NOW, with_trial=True)
        n_alerts += should_alert(state, later)
        state = later
    assert n_alerts == 1
    assert should_alert(CircuitState(), next_state(CircuitState(), [BARRED] * REJECTION_THRESHOLD, 0, NOW))
    assert not should_alert(CircuitState(disabled=True), CircuitState(disabled=True))
