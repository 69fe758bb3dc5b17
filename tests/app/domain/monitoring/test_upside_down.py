"""What a message means when a passing check is a failure."""

import pytest
from hypothesis import given, strategies as st

from app.domain.monitoring.judge import MAX_MESSAGE_CHARS, MonitorState, RetryPolicy, heartbeat_message, judge
from schema.heartbeat_texts import ANSWERED, LOGGED, PROBE_CODES, STARTED, heartbeat_text
from schema.status import Status
from schema.targets import TARGETS

UP, DOWN, DEGRADED, PENDING = Status.UP, Status.DOWN, Status.DEGRADED, Status.PENDING


@pytest.mark.parametrize(
    ("status", "seen", "message", "code", "words"),
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
def test_a_message_explains_the_inverted_status(status, seen, message, code, words):
    assert heartbeat_message(status, seen, message, code) == words


SEEN = st.sampled_from([UP, DEGRADED, DOWN, PENDING, Status.UNKNOWN])


@given(SEEN, st.text(max_size=600), st.sampled_from(sorted(PROBE_CODES)), st.booleans(), st.integers(0, 2))
def test_words_turn_round_with_the_verdict_and_never_otherwise(seen, message, code, upside_down, retries):
    rules = RetryPolicy(max_retries=retries, upside_down=upside_down)
    verdict = judge(MonitorState(), seen, 0, rules, in_maintenance=False)
    words, plain = heartbeat_message(verdict.status, seen, message, code), message or heartbeat_text(code)
    if upside_down and seen in {UP, DEGRADED, DOWN}:
        assert words.startswith("failed, as it should" if seen is DOWN else "answered, and should not")
        assert len(words) <= MAX_MESSAGE_CHARS
    else:
        assert words == plain


def test_every_type_can_be_turned_round():
    """It is decided of statuses, and no type has a say in it."""
    assert TARGETS
    assert "upside_down" not in {field for one in TARGETS.values() for field in one.__struct_fields__}
