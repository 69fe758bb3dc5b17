"""Every report has a clear status or is refused for that reason only."""

from typing import Any

from hypothesis import given, strategies as st

from app.domain.monitoring import push_report
from app.errors import Invalid
from schema.heartbeat_texts import PUSHED
from schema.status import Status

WORDS = st.one_of(st.sampled_from(["up", "down", "UP", " down ", "", "ok", "1"]), st.text(max_size=10))
SIGNALS = st.one_of(st.sampled_from(["", "start", "log", "fail", "0", "1", "-1", "done"]), st.text(max_size=12))


@given(SIGNALS, st.lists(WORDS, max_size=3), st.text(), st.text(), st.text(), st.binary())
def test_a_report_is_taken_or_its_state_is_not_clear(signal, statuses, msg, ping, rid, body):
    report = read(signal, statuses, msg, ping, rid, body)
    if report is None:
        assert push_report.parse_report("", ["down"], msg, ping, rid).status is Status.DOWN  # nothing else refuses it
        return
    assert report.took_ms >= 0
    if report.code == PUSHED and "down" in {word.strip().lower() for word in statuses}:
        assert report.status is Status.DOWN


def read(*values: Any) -> push_report.PushReport | None:
    """None for what is refused."""
    try:
        return push_report.parse_report(*values)
    except Invalid as error:
        if {one.field for one in error.fields} <= {"status", "signal"}:
            return None
        raise
