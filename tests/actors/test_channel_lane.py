"""How many deliveries of a channel are claimed at once, and which of them are given back unsent."""

import pytest

from actors import channel_lane
from actors.channel_lane import MAX_CLAIM_AGE_S, MAX_CLAIMS, MAX_PARALLEL_SENDS, ChannelLane
from app.domain.alerting.circuit_breaker import FAILURE_THRESHOLD
from app.store.alerting.delivery_claims import DeliveryClaim

MANY = 3 * MAX_CLAIMS


@pytest.fixture
def now(monkeypatch) -> list[float]:
    """The time; its only item may be changed."""
    times = [1_000.0]
    monkeypatch.setattr(channel_lane, "monotonic", lambda: times[0])
    return times


@pytest.fixture
def lane(now) -> ChannelLane:
    """A lane where many deliveries wait."""
    found = ChannelLane()
    found.pending.update(dict.fromkeys(map(str, range(MANY))))
    return found


def claims(ids: list[str]) -> list[DeliveryClaim]:
    return [
        DeliveryClaim(id=id_, channel=None, event=None, attempts=1, created_ms=0, age_from_ms=0)  # type: ignore[arg-type]  # a lane looks at neither
        for id_ in ids
    ]


def claimed(lane: ChannelLane) -> list[str]:
    """Claim as many as may be now."""
    ids = lane.take_pending(MANY)
    lane.add_claims(claims(ids))
    return ids


def started(lane: ChannelLane) -> int:
    """Begin to send as many as may be now."""
    count = 0
    while lane.next_claim():
        count += 1
    return count


def test_at_first_no_more_are_claimed_than_are_sent_at_once(lane):
    assert claimed(lane) == [str(number) for number in range(MAX_PARALLEL_SENDS)]
    assert started(lane) == MAX_PARALLEL_SENDS
    assert claimed(lane) == []


def test_a_turn_may_leave_less_room(lane):
    assert lane.take_pending(7) == [str(number) for number in range(7)]
    assert lane.take_pending(0) == []


def work(lane: ChannelLane, took_s: float, *, accepted: bool = True) -> int:
    """Claim and send; returns how many were claimed."""
    count = len(claimed(lane))
    while running := started(lane):
        for _ in range(running):
            lane.note_sent(took_s, accepted=accepted)
    return count


def test_a_fast_channel_has_more_claimed_and_still_gets_few_at_once(lane):
    counts = [work(lane, 0.005) for _ in range(3)]
    assert counts == sorted(counts)
    assert counts[-1] > 5 * MAX_PARALLEL_SENDS
    lane.take_unsendable()
    assert len(claimed(lane)) <= MAX_CLAIMS
    assert started(lane) == MAX_PARALLEL_SENDS


def test_a_slow_channel_has_none_claimed_in_advance(lane):
    assert [work(lane, 2.0) for _ in range(4)] == [MAX_PARALLEL_SENDS] * 4


def test_when_a_channel_fails_the_others_are_given_back(lane):
    work(lane, 0.005)
    ids = claimed(lane)
    first = started(lane)
    assert lane.take_unsendable() == []
    for _ in range(FAILURE_THRESHOLD):
        lane.note_sent(0.005, accepted=False)
    assert lane.next_claim() is None
    assert [one.id for one in lane.take_unsendable()] == ids[first:]
    assert lane.take_unsendable() == []
    for _ in range(first - FAILURE_THRESHOLD):
        lane.note_sent(0.005, accepted=False)
    assert len(claimed(lane)) == MAX_PARALLEL_SENDS  # the circuit breaker decides how many of them may go
    assert started(lane) == MAX_PARALLEL_SENDS


def test_one_accepted_message_shows_that_the_channel_works(lane):
    work(lane, 0.005)
    claimed(lane)
    started(lane)
    for accepted in [False] * (FAILURE_THRESHOLD - 1) + [True, False]:
        lane.note_sent(0.005, accepted=accepted)
    assert lane.take_unsendable() == []
    assert lane.next_claim() is not None


def test_claims_whose_leases_would_end_meanwhile_are_given_back(lane, now):
    work(lane, 0.005)
    ids = claimed(lane)
    first = started(lane)
    now[0] += MAX_CLAIM_AGE_S + 1
    assert lane.next_claim() is None
    assert [one.id for one in lane.take_unsendable()] == ids[first:]


def test_a_stopped_lane_sends_nothing_more(lane):
    work(lane, 0.005)
    ids = claimed(lane)
    first = started(lane)
    lane.stop()
    assert lane.next_claim() is None
    assert [one.id for one in lane.take_unsendable()] == ids[first:]
    assert lane.take_pending(MANY) == []
    for _ in range(first):
        assert not lane.is_idle
        lane.note_sent(0.005, accepted=True)
    assert lane.is_idle
