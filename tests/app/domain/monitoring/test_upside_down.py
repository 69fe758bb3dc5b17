"""The message of an inverted check, where success is a failure."""

import pytest
from hypothesis import given, strategies as st

from app.domain.monitoring.judge import MAX_MESSAGE_CHARS, MonitorState, RetryPolicy, heartbeat_message, judge
from schema.heartbeat_texts import ANSWERED, LOGGED, PROBE_CODES, STARTED, heartbeat_text
from schema.status import Status
from schema.targets import TARGETS

UP, DOWN, DEGRADED, PENDING = Status.UP, Status.DOWN, Status.DEGRADED, Status.PENDING


@pytest.mark.parametrize(
    ("status", "measured", "message", "code", "expected"),
    [
        (DOWN, UP, "", 200, "answered, and should not: 200 OK"),
        (
            DOWN,
            DEGRADED,
            "the certificate ends in 6 days",
            200,
            "answered, and should not: the certificate ends in 6 days",
        ),
        (PENDING, UP, "", ANSWERED, "answered, and should not: answered"),
        (DOWN, UP, "", 0, "answered, and should not"),
        (UP, DOWN, "connection refused", 0, "failed, as it should: connection refused"),
        (UP, DOWN, "", 0, "failed, as it should"),
        (UP, UP, "", 200, "200 OK"),
        (DOWN, DOWN, "connection refused", 0, "connection refused"),
        (PENDING, DOWN, "connection refused", 0, "connection refused"),
        (Status.MAINTENANCE, UP, "", 200, "200 OK"),
        (Status.UNKNOWN, Status.UNKNOWN, "no route", 0, "no route"),
        (DOWN, UP, "", STARTED, "started"),
        (UP, DOWN, "", LOGGED, "logged"),
    ],
)
def test_a_message_explains_the_inverted_status(status, measured, message, code, expected):
    assert heartbeat_message(status, measured, message, code) == expected


MEASURED = st.sampled_from([UP, DEGRADED, DOWN, PENDING, Status.UNKNOWN])


@given(MEASURED, st.text(max_size=600), st.sampled_from(sorted(PROBE_CODES)), st.booleans(), st.integers(0, 2))
def test_the_message_is_inverted_exactly_when_the_status_is(status, message, code, upside_down, retries):
    rules = RetryPolicy(max_retries=retries, upside_down=upside_down)
    evaluation = judge(MonitorState(), status, 0, rules, in_maintenance=False)
    inverted_text, plain = heartbeat_message(evaluation.status, status, message, code), message or heartbeat_text(code)
    if upside_down and status in {UP, DEGRADED, DOWN}:
        assert inverted_text.startswith("failed, as it should" if status is DOWN else "answered, and should not")
        assert len(inverted_text) <= MAX_MESSAGE_CHARS
    else:
        assert inverted_text == plain


def test_every_type_can_be_turned_round():
    """The decision depends on statuses, and on no type."""
    assert TARGETS
    assert "upside_down" not in {field for one in TARGETS.values() for field in one.__struct_fields__}
