"""What a try says, and what its end means for everyone whose event was in the message."""

from datetime import UTC, datetime
from typing import Any

import pytest

from actors.delivery_attempt import Timing, answer_of, message_of, results_of
from actors.senders import Undelivered
from app.domain.alerting.circuit_breaker import Answer
from app.store.alerting.channels import OpenChannel
from app.store.alerting.delivery_claims import Claimed
from schema.channels.terms import Terms
from schema.events import Event, EventKind
from tests.make import NOW_MS, webhook

DAY_S, MINUTE_MS = 86_400.0, 60_000
TIMING = Timing(NOW_MS, 40)


OPS = OpenChannel(id="ops", name="ops", type="webhook", config=webhook(), active=True, kind="channel", terms=Terms())


def claimed(name: str = "a", kind: EventKind = EventKind.MONITOR_DOWN, **changes: Any) -> Claimed:
    at = datetime.fromtimestamp(NOW_MS / 1000, UTC)
    usual = {"id": name, "channel": OPS, "event": Event(id=f"e-{name}", event=kind, at=at), "attempts": 1}
    return Claimed(**{**usual, "created_ms": NOW_MS, "since_ms": NOW_MS, **changes})


BASE = "https://watch.example"
GROUP = claimed("c", others=(claimed("a", attempts=4), claimed("b")))


def test_a_message_in_time_says_nothing_of_it_and_a_late_one_how_late():
    assert message_of(claimed(), NOW_MS + MINUTE_MS, BASE).late_s is None
    assert message_of(claimed(), NOW_MS + 10 * MINUTE_MS, BASE).late_s == 600


def test_the_others_are_in_the_message_newest_first():
    assert [one.delivery_id for one in message_of(GROUP, NOW_MS, BASE).others] == ["b", "a"]


def test_all_that_one_message_told_are_sent_together_and_it_answers_once():
    results = results_of(GROUP, None, TIMING, DAY_S)
    assert [(one.id, one.attempts, one.state) for one in results] == [
        ("c", 1, "sent"),
        ("a", 4, "sent"),
        ("b", 1, "sent"),
    ]
    assert [one.answer for one in results] == [Answer.TAKEN, None, None]


def test_all_that_one_message_told_wait_together():
    results = results_of(GROUP, Undelivered("answered 500", answered=True), TIMING, DAY_S)
    assert {one.state for one in results} == {"pending"}
    assert len({one.next_at_ms for one in results}) == 1
    assert results[0].next_at_ms > NOW_MS


def test_what_was_refused_with_others_is_told_without_the_carrier_and_not_for_ever():
    refused = Undelivered("answered 400", permanent=True)
    results = results_of(claimed("c", others=(claimed("a", attempts=5), claimed("b"))), refused, TIMING, DAY_S)
    assert [(one.id, one.state) for one in results] == [("c", "dead"), ("a", "dead"), ("b", "pending")]
    assert (results[2].answered, results[2].grouped, results[2].next_at_ms > NOW_MS) == (True, True, True)
    barred = Undelivered("answered 401", permanent=True, channel=True)
    assert {one.state for one in results_of(GROUP, barred, TIMING, DAY_S)} == {"dead"}


def test_who_was_not_answered_does_not_know_whether_it_arrived():
    (unknown,) = results_of(claimed(), Undelivered("no answer within 20 s"), TIMING, DAY_S)
    (known,) = results_of(claimed(), Undelivered("answered 500", answered=True), TIMING, DAY_S)
    (before,) = results_of(claimed(again=True), Undelivered("answered 500", answered=True), TIMING, DAY_S)
    assert (unknown.answered, known.answered, before.answered) == (False, True, False)


@pytest.mark.parametrize(
    ("failed", "answer"),
    [
        (Undelivered("answered 500"), Answer.BUSY),
        (Undelivered("answered 400", permanent=True), Answer.REFUSED),
        (Undelivered("answered 401", permanent=True, channel=True), Answer.BARRED),
        (Undelivered("answered 410", permanent=True, channel=True, gone=True), Answer.GONE),
    ],
)
def test_what_a_failure_says_about_its_channel(failed, answer):
    assert answer_of(failed) is answer


def test_a_try_that_fails_when_it_is_too_old_was_the_last():
    (result,) = results_of(claimed(since_ms=NOW_MS - 3_600_001), Undelivered("answered 500"), TIMING, 3_600)
    assert (result.state, result.error) == ("dead", "gave up after 1 h: answered 500")


def test_a_channel_may_ask_for_time_but_not_for_silence():
    (result,) = results_of(claimed(), Undelivered("answered 429", retry_after_s=10**9), TIMING, DAY_S)
    assert result.asked_s == 6 * 3_600


def test_a_test_is_tried_once_and_says_nothing_about_the_channel():
    (result,) = results_of(claimed(kind=EventKind.TEST), Undelivered("answered 500"), TIMING, DAY_S)
    assert (result.state, result.answer) == ("dead", None)


def test_what_failed_while_we_stood_still_says_nothing_of_the_channel_and_goes_again():
    failed = Undelivered("no answer within 20 s")
    failed.ours = True
    (result,) = results_of(claimed(), failed, TIMING, DAY_S)
    assert (result.state, result.answer, result.answered) == ("pending", None, False)
