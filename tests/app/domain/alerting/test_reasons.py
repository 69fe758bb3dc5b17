"""Every code has its sentence, and a viewer who may not see the monitor that it names gets one without the name."""

from typing import Any

import pytest

from app.domain.alerting import reasons
from app.domain.alerting.reasons import Reason
from schema.deliveries import ReasonCode

FACTS: dict[str, Any] = {"name": "Router", "error": "answered 401", "give_up_after_s": 86_400.0}
SENTENCES = {
    ReasonCode.QUIET_HOURS: "waits for the end of quiet hours",
    ReasonCode.MIN_OUTAGE: "waits until the outage has lasted long enough for the channel",
    ReasonCode.PARENT_CHECK: "waits for a check of a parent",
    ReasonCode.DIGEST: "waits for the next digest",
    ReasonCode.PARENT_DOWN: "parent 'Router' is down",
    ReasonCode.GROUP_ALERTS: "its group 'Router' alerts for it",
    ReasonCode.MEMBERS_ALERT: "its members alert for it",
    ReasonCode.RECOVERED_EARLY: "it recovered before the outage had lasted long enough for the channel",
    ReasonCode.RECOVERED_WITH_PARENT: "it recovered with its parent",
    ReasonCode.NOT_ALERTED: "no alert was sent for the outage",
    ReasonCode.ALERTED_MEANWHILE: "an alert for the outage was sent meanwhile",
    ReasonCode.COLLAPSED_INTO_RECOVERY: "replaced by the recovery",
    ReasonCode.COLLAPSED_INTO_REMINDER: "replaced by a newer reminder",
    ReasonCode.SUPERSEDED: "an alert for a newer outage was sent while it waited",
    ReasonCode.CHANNEL_INACTIVE: "the channel is inactive",
    ReasonCode.CHANNEL_DELETED: "the channel was deleted",
    ReasonCode.CHANNEL_DISABLED: "the channel is disabled: answered 401",
    ReasonCode.EXPIRED: "gave up after 24 h: answered 401",
    ReasonCode.REJECTED: "answered 401",
    ReasonCode.TEST_FAILED: "answered 401",
    ReasonCode.TEST_TIMED_OUT: "no worker sent the test in time",
}


@pytest.mark.parametrize("code", ReasonCode)
def test_every_code_has_its_sentence(code):
    assert reasons.sentence(Reason(code, **FACTS)) == SENTENCES[code]


@pytest.mark.parametrize("code", ReasonCode)
def test_a_sentence_needs_no_facts(code):
    assert reasons.sentence(Reason(code)).strip(": ")


def test_an_expired_delivery_names_its_age_and_the_last_error_if_there_was_one():
    assert reasons.sentence(Reason(ReasonCode.EXPIRED, give_up_after_s=5_400)) == "gave up after 1.5 h"


@pytest.mark.parametrize("code", ["", *ReasonCode])
def test_a_redacted_sentence_names_no_monitor(code):
    text = reasons.sentence(Reason(ReasonCode(code), **FACTS)) if code else "answered 500"
    redacted = reasons.redact(code, text)
    assert "Router" not in redacted
    assert (redacted == text) is ("Router" not in text)
