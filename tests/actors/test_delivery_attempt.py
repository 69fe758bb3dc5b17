"""The result of a delivery attempt, for every event in the message."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from actors.delivery_attempt import AttemptTiming, attempt_results, build_message, failure_outcome
from actors.senders import DeliveryError, SendReport
from app.domain.alerting.circuit_breaker import AttemptOutcome
from app.store.alerting.channels import ChannelWithSecrets
from app.store.alerting.delivery_claims import DeliveryClaim
from schema.channels.rules import ChannelRules
from schema.deliveries import ReasonCode, RecipientOutcome, RecipientResult
from schema.events import Event, EventKind
from tests.make import NOW_MS, webhook

DAY_S, MINUTE_MS = 86_400.0, 60_000
TIMING = AttemptTiming(NOW_MS, 40)


OPS = ChannelWithSecrets(
    id="ops", name="ops", type="webhook", config=webhook(), active=True, kind="channel", rules=ChannelRules()
)


def claimed(name: str = "a", kind: EventKind = EventKind.MONITOR_DOWN, **changes: Any) -> DeliveryClaim:
    at = datetime.fromtimestamp(NOW_MS / 1000, UTC)
    usual = {"id": name, "channel": OPS, "event": Event(id=f"e-{name}", event=kind, at=at), "attempts": 1}
    return DeliveryClaim(**{**usual, "created_ms": NOW_MS, "age_from_ms": NOW_MS, **changes})


BASE = "https://watch.example"
GROUP = claimed("c", merged=(claimed("a", attempts=4), claimed("b")))


def test_a_message_in_time_has_no_delay_and_a_late_one_names_it():
    assert build_message(claimed(), NOW_MS + MINUTE_MS, BASE).late_s is None
    assert build_message(claimed(), NOW_MS + 10 * MINUTE_MS, BASE).late_s == 600


@pytest.mark.parametrize(
    ("own", "server", "expected"),
    [("Asia/Tokyo", "Europe/Berlin", "Asia/Tokyo"), (None, "Europe/Berlin", "Europe/Berlin"), (None, "UTC", "UTC")],
)
def test_a_message_is_in_the_channels_time_zone_or_that_of_the_server(own, server, expected):
    ops = msgspec.structs.replace(OPS, rules=ChannelRules(timezone=own))
    members = (claimed("a", channel=ops), claimed("b", channel=ops))
    message = build_message(claimed("c", channel=ops, merged=members), NOW_MS, BASE, timezone=server)
    assert {one.timezone for one in (message, *message.merged)} == {expected}


def test_the_others_are_in_the_message_newest_first():
    assert [one.delivery_id for one in build_message(GROUP, NOW_MS, BASE).merged] == ["b", "a"]


@pytest.mark.parametrize("is_trial", [False, True])
def test_a_result_names_the_trial_of_a_half_open_circuit(is_trial):
    (result,) = attempt_results(claimed(is_trial=is_trial), DeliveryError("answered 500"), TIMING, DAY_S)
    assert result.is_trial is is_trial


def test_all_members_of_a_digest_are_sent_at_once_and_acknowledged_once():
    results = attempt_results(GROUP, None, TIMING, DAY_S)
    assert [(one.id, one.attempts, one.state) for one in results] == [
        ("c", 1, "sent"),
        ("a", 4, "sent"),
        ("b", 1, "sent"),
    ]
    assert [one.outcome for one in results] == [AttemptOutcome.ACCEPTED, None, None]


def test_all_members_of_a_digest_are_retried_at_once():
    results = attempt_results(GROUP, DeliveryError("answered 500", got_response=True), TIMING, DAY_S)
    assert {one.state for one in results} == {"pending"}
    assert len({one.next_attempt_ms for one in results}) == 1
    assert results[0].next_attempt_ms > NOW_MS


def test_digest_members_that_were_refused_are_sent_alone_and_not_for_ever():
    refused = DeliveryError("answered 400", permanent=True)
    results = attempt_results(claimed("c", merged=(claimed("a", attempts=5), claimed("b"))), refused, TIMING, DAY_S)
    assert [(one.id, one.state, one.reason_code) for one in results] == [
        ("c", "dead", ReasonCode.REJECTED),
        ("a", "dead", ReasonCode.REJECTED),
        ("b", "pending", None),
    ]
    assert (results[2].got_response, results[2].in_digest, results[2].next_attempt_ms > NOW_MS) == (True, True, True)
    barred = DeliveryError("answered 401", permanent=True, channel_level=True)
    assert {one.state for one in attempt_results(GROUP, barred, TIMING, DAY_S)} == {"dead"}


def test_without_a_response_an_attempt_may_have_arrived():
    (unknown,) = attempt_results(claimed(), DeliveryError("no answer within 20 s"), TIMING, DAY_S)
    (snapshots,) = attempt_results(claimed(), DeliveryError("answered 500", got_response=True), TIMING, DAY_S)
    (before,) = attempt_results(
        claimed(maybe_sent=True), DeliveryError("answered 500", got_response=True), TIMING, DAY_S
    )
    assert (unknown.got_response, snapshots.got_response, before.got_response) == (False, True, False)


@pytest.mark.parametrize(
    ("failed", "answer"),
    [
        (DeliveryError("answered 500"), AttemptOutcome.TEMPORARY_FAILURE),
        (DeliveryError("answered 400", permanent=True), AttemptOutcome.MESSAGE_REJECTED),
        (DeliveryError("answered 401", permanent=True, channel_level=True), AttemptOutcome.CHANNEL_REJECTED),
        (
            DeliveryError("answered 410", permanent=True, channel_level=True, endpoint_gone=True),
            AttemptOutcome.CHANNEL_GONE,
        ),
    ],
)
def test_a_failure_counts_against_its_channel(failed, answer):
    assert failure_outcome(failed) is answer


def test_a_try_that_fails_when_it_is_too_old_was_the_last():
    (result,) = attempt_results(claimed(age_from_ms=NOW_MS - 3_600_001), DeliveryError("answered 500"), TIMING, 3_600)
    assert (result.state, result.error) == ("dead", "gave up after 1 h: answered 500")
    assert result.reason_code is ReasonCode.EXPIRED


def test_a_channel_may_set_a_retry_delay_but_not_an_endless_one():
    (result,) = attempt_results(claimed(), DeliveryError("answered 429", retry_after_s=10**9), TIMING, DAY_S)
    assert result.retry_after_s == 6 * 3_600


def test_a_test_is_tried_once_and_does_not_count_for_the_channel():
    (result,) = attempt_results(claimed(kind=EventKind.TEST), DeliveryError("answered 500"), TIMING, DAY_S)
    assert (result.state, result.outcome, result.reason_code) == ("dead", None, ReasonCode.TEST_FAILED)


def test_a_failure_during_a_stall_does_not_count_for_the_channel_and_is_retried():
    failed = DeliveryError("no answer within 20 s")
    failed.stalled = True
    (result,) = attempt_results(claimed(), failed, TIMING, DAY_S)
    assert (result.state, result.outcome, result.got_response) == ("pending", None, False)


def reported(claim: DeliveryClaim, **outcomes: str) -> SendReport:
    """How an attempt went for these recipients."""
    report = SendReport(claim.settled)
    for recipient, outcome in outcomes.items():
        if outcome == "accepted":
            report.accept(recipient)
        else:
            report.fail(recipient, DeliveryError("no", permanent=outcome == "refused"))
    return report


LATER = DeliveryError("1 of 2 recipients not reached: answered 451", got_response=True)
HAS_IT = (RecipientResult(recipient="ann", outcome=RecipientOutcome.ACCEPTED),)


@pytest.mark.parametrize(
    ("settled", "outcomes", "error", "expected"),
    [
        ((), {"ann": "accepted", "bob": "later"}, LATER, ("pending", AttemptOutcome.ACCEPTED, True)),
        ((), {"ann": "accepted", "bob": "refused"}, None, ("sent", AttemptOutcome.ACCEPTED, True)),
        ((), {"ann": "later", "bob": "later"}, LATER, ("pending", AttemptOutcome.TEMPORARY_FAILURE, False)),
        (HAS_IT, {"bob": "later"}, LATER, ("pending", None, True)),
        (HAS_IT, {"bob": "refused"}, None, ("sent", AttemptOutcome.ACCEPTED, True)),
        (HAS_IT, {}, DeliveryError("no connection"), ("pending", AttemptOutcome.TEMPORARY_FAILURE, True)),
        (
            HAS_IT,
            {},
            DeliveryError("answered 535", permanent=True, channel_level=True),
            ("sent", AttemptOutcome.CHANNEL_REJECTED, True),
        ),
    ],
)
def test_a_delivery_that_some_have_is_kept_for_the_others_and_never_dead(settled, outcomes, error, expected):
    claim = claimed(settled=settled)
    (result,) = attempt_results(claim, error, TIMING, DAY_S, reported(claim, **outcomes))
    assert (result.state, result.outcome, result.partly_sent) == expected
    assert result.got_response is not result.partly_sent  # it goes to the others as it was
    assert {one.recipient for one in result.recipients} == set(outcomes)
    done = {name for name, outcome in outcomes.items() if outcome != "later"} | {one.recipient for one in settled}
    assert {one.recipient for one in result.settled} == done


def test_members_of_a_digest_share_its_recipients():
    digest = claimed("c", merged=(claimed("a"), claimed("b")))
    report = reported(digest, ann="accepted", bob="later")
    results = attempt_results(digest, LATER, TIMING, DAY_S, report)
    assert [(one.state, one.partly_sent, one.settled == results[0].settled) for one in results] == [
        ("pending", True, True)
    ] * 3


def test_a_rejection_of_a_message_that_was_rejected_before_does_not_count_again():
    refused = DeliveryError("answered 400", permanent=True)
    counted = {
        name: attempt_results(claim, refused, TIMING, DAY_S)[0]
        for name, claim in {
            "new": claimed(),
            "again": claimed(rejections=1),
            "member again": claimed("c", merged=(claimed("a", rejections=1),)),
        }.items()
    }
    assert {name: one.outcome for name, one in counted.items()} == {
        "new": AttemptOutcome.MESSAGE_REJECTED,
        "again": None,
        "member again": None,
    }
    assert all(one.rejected for one in counted.values())
    barred = DeliveryError("answered 401", permanent=True, channel_level=True)
    (result,) = attempt_results(claimed(rejections=1), barred, TIMING, DAY_S)
    assert (result.outcome, result.rejected) == (AttemptOutcome.CHANNEL_REJECTED, False)
