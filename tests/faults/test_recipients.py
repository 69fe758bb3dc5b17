from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from bench.faults import oracle, recipients
from bench.faults.oracle import Verdict
from bench.faults.recipients import RecipientFacts, StoredDelivery
from bench.receiver import Delivery
from schema.deliveries import ReasonCode

SWITCHES = [(100_000.0, False), (140_000.0, True), (200_000.0, False)]
STRETCHES = oracle.plateaus(SWITCHES)
DOWN, UP = "monitor.down", "monitor.up"


def arrival(event: str, at_ms: float, started_ms: float = 0.0, **changes: Any) -> Delivery:
    fields: dict[str, Any] = {"id": f"{event} {at_ms:.0f}", "arrived_ms": at_ms + 500, "recipient": "ann", **changes}
    return Delivery(event=event, name="t", at_ms=at_ms, started_ms=started_ms, **fields)


def stored(event: str, at_ms: float, started_ms: float = 0.0, **changes: Any) -> StoredDelivery:
    id_ = f"{event} {at_ms:.0f}"
    fields: dict[str, Any] = {"id": id_, "message_id": id_, "reason_code": "", "outcomes": {}, **changes}
    return StoredDelivery(event=event, name="t", at_ms=at_ms, started_ms=started_ms, **fields)


ARRIVED = [arrival(DOWN, 101_000, 101_000), arrival(UP, 143_000, 101_000), arrival(DOWN, 202_000, 202_000)]
STORED = [stored(DOWN, 101_000, 101_000), stored(UP, 143_000, 101_000), stored(DOWN, 202_000, 202_000)]


def judged(
    arrived: Sequence[Delivery], owed: Sequence[StoredDelivery] = STORED, *, refused: int = 0, kills_ms: Any = ()
) -> Verdict:
    known = RecipientFacts(arrived=arrived, stored=owed, refused=refused, kills_ms=kills_ms)
    return recipients.verdict_of("ann", known, ["t"], lambda name, facts: oracle.strict(name, STRETCHES, facts))


def test_a_recipient_that_got_every_transition_once_misses_nothing():
    assert judged(ARRIVED) == Verdict(3)


@given(st.integers(0, 2))
def test_one_missing_message_is_lost_for_its_recipient(gone):
    verdict = judged(ARRIVED[:gone] + ARRIVED[gone + 1 :])
    assert verdict.lost
    assert all(line.startswith("ann: ") for line in verdict.lost)


@given(st.integers(0, 2), st.booleans(), st.one_of(st.none(), st.floats(0, 400_000)))
def test_a_repeat_is_allowed_when_its_answer_was_lost_or_a_worker_killed(number, is_answered, kill_ms):
    first = ARRIVED[number]
    once = arrival(first.event, first.at_ms, first.started_ms, is_answered=is_answered)
    again = arrival(first.event, first.at_ms, first.started_ms, arrived_ms=first.arrived_ms + 9_000)
    others = [one for one in ARRIVED if one is not first]
    kills = [] if kill_ms is None else [kill_ms]
    verdict = judged([*others, once, again], kills_ms=kills)
    is_explained = not is_answered or any(
        once.arrived_ms - recipients.ON_THE_WAY_MS <= at_ms <= again.arrived_ms for at_ms in kills
    )
    assert verdict.holds is is_explained
    assert len(verdict.doubled) == (0 if is_explained else 1)


@pytest.mark.parametrize(
    ("kill_ms", "doubled"), [(99_000.0, True), (101_450.0, False), (104_000.0, False), (105_001.0, True)]
)
def test_a_message_may_arrive_after_its_worker_was_killed(kill_ms, doubled):
    once, *others = ARRIVED
    again = msgspec.structs.replace(once, arrived_ms=105_000.0)
    assert bool(judged([once, *others, again], kills_ms=[kill_ms]).doubled) is doubled


def test_the_same_transition_under_another_id_is_a_double_whatever_was_killed():
    again = arrival(DOWN, 101_000, 101_000, id="another", arrived_ms=110_000)
    owed = [*STORED, stored(DOWN, 202_000, id="another")]
    assert judged([*ARRIVED, again], owed, kills_ms=[105_000.0]).doubled


def test_a_refused_message_is_excused_as_often_as_the_receiver_refused():
    owed = [stored(DOWN, 101_000, 101_000, outcomes={"ann": "refused"}), *STORED[1:]]
    assert judged(ARRIVED[1:], owed, refused=1).holds
    assert judged(ARRIVED[1:], owed).lost == ["ann: 1 messages are stored as refused, the receiver refused 0"]


def test_a_recipient_that_has_the_message_by_its_result_and_not_in_fact_lost_it():
    owed = [stored(DOWN, 101_000, 101_000, outcomes={"ann": "accepted"}), *STORED[1:]]
    assert "ann: delivery t monitor.down 101000" in judged(ARRIVED[1:], owed).lost


def test_an_outage_that_comes_with_its_recovery_must_be_stored_so():
    owed = [stored(DOWN, 101_000, 101_000, reason_code=ReasonCode.COLLAPSED_INTO_RECOVERY), *STORED[1:]]
    assert judged(ARRIVED[1:], owed).holds
    assert not judged(ARRIVED[1:]).holds


@pytest.mark.parametrize(
    ("arrived", "holds"),
    [([ARRIVED[0], ARRIVED[2]], True), ([ARRIVED[0]], False)],  # no newer outage: it must arrive
)
def test_a_recovery_may_be_overtaken_by_the_next_outage_only(arrived, holds):
    owed = [STORED[0], stored(UP, 143_000, 101_000, reason_code=ReasonCode.SUPERSEDED), STORED[2]]
    assert judged(arrived, owed).holds is holds


def test_an_outage_that_came_with_a_recovery_that_was_refused_is_excused():
    owed = [
        stored(DOWN, 101_000, 101_000, reason_code=ReasonCode.COLLAPSED_INTO_RECOVERY),
        stored(UP, 143_000, 101_000, outcomes={"ann": "refused"}),
        STORED[2],
    ]
    assert judged([ARRIVED[2]], owed, refused=1).holds


def test_messages_of_no_stored_delivery_are_invented():
    assert judged([*ARRIVED, arrival(UP, 300_000)]).invented
    assert judged([arrival(DOWN, 101_000, id="unknown"), *ARRIVED[1:]]).invented == ["ann: message unknown"]


def test_messages_of_a_digest_share_its_id():
    digest = [arrival(DOWN, 101_000, 101_000, id="c"), arrival(UP, 143_000, 101_000, id="c"), ARRIVED[2]]
    owed = [
        stored(DOWN, 101_000, 101_000, message_id="c"),
        stored(UP, 143_000, 101_000, id="c", message_id="c"),
        STORED[2],
    ]
    assert judged(digest, owed).holds


@pytest.mark.parametrize("refused", [None, 0, 1, 2])
def test_times_in_messages_are_whole_seconds(refused):
    """All messages arrive, or all but one that was refused."""
    owed = [
        stored(one.event, one.at_ms + 789, one.started_ms + 789, outcomes={"ann": "refused"} if n == refused else {})
        for n, one in enumerate(STORED)
    ]
    arrived = [arrival(one.event, one.at_ms, one.started_ms, id="") for n, one in enumerate(ARRIVED) if n != refused]
    assert judged(arrived, owed, refused=1).holds
