"""Time per status, uptime, and what counts."""

import pytest
from hypothesis import given, strategies as st

from app.domain.history.completeness import SchedulePeriod
from app.domain.history.uptime import Tally, TimedBeat, mean_latency_ms, merge_tallies, tally_beats, uptime_share
from app.domain.schedule.cron import next_cron
from schema.status import Status

MINUTE = 60_000
START = 1_700_000_000_000
HOUR = range(START, START + 60 * MINUTE)
PERIODS = [SchedulePeriod(START - 60 * MINUTE, MINUTE)]


def beats_of(*statuses, first=START, step=MINUTE):
    return [TimedBeat(first + number * step, status, 1_000) for number, status in enumerate(statuses)]


def minutes(one):
    return {Status(status).name: ms / MINUTE for status, ms in enumerate(one.ms) if ms}


def test_a_status_holds_until_the_next_heartbeat():
    one = tally_beats(beats_of(*[Status.UP] * 50, *[Status.DOWN] * 10), PERIODS, HOUR)
    assert minutes(one) == {"UP": 50, "DOWN": 10}
    assert uptime_share(one) == pytest.approx(50 / 60)


def test_a_status_holds_no_longer_than_the_interval_and_the_rest_is_not_observed():
    one = tally_beats(beats_of(Status.UP, Status.DOWN), PERIODS, HOUR)
    assert minutes(one) == {"UP": 1, "DOWN": 1}
    assert one.observed_ms == 2 * MINUTE


def test_the_last_heartbeat_before_the_window_reaches_into_it_and_is_not_counted():
    one = tally_beats(beats_of(Status.DOWN, Status.UP, first=START - MINUTE // 2), PERIODS, HOUR)
    assert minutes(one) == {"DOWN": 0.5, "UP": 1}
    assert (one.counts[Status.DOWN], one.counts[Status.UP]) == (0, 1)


def test_the_last_heartbeat_of_the_window_ends_with_it():
    one = tally_beats(beats_of(Status.UP, first=HOUR.stop - MINUTE // 4), PERIODS, HOUR)
    assert minutes(one) == {"UP": 0.25}


def test_a_pause_ends_the_status_of_the_last_heartbeat():
    periods = [*PERIODS, SchedulePeriod(START + MINUTE // 2, 0)]
    assert minutes(tally_beats(beats_of(Status.UP), periods, HOUR)) == {"UP": 0.5}


def test_each_heartbeat_holds_for_the_interval_of_its_time():
    periods = [*PERIODS, SchedulePeriod(START + MINUTE // 2, 10 * MINUTE)]
    beats = [TimedBeat(START, Status.UP, 1), TimedBeat(START + 5 * MINUTE, Status.DOWN, 1)]
    assert minutes(tally_beats(beats, periods, HOUR)) == {"UP": 1, "DOWN": 10}


def test_an_early_heartbeat_splits_the_time():
    beats = [
        TimedBeat(START, Status.UP, 1),
        TimedBeat(START + 15_000, Status.DOWN, 1),
        TimedBeat(START + MINUTE, Status.UP, 1),
    ]
    assert minutes(tally_beats(beats, PERIODS, HOUR)) == {"UP": 1.25, "DOWN": 0.75}


@pytest.mark.parametrize(
    ("statuses", "share"),
    [
        ([Status.UP], 1),
        ([Status.DOWN], 0),
        ([Status.UP, Status.PENDING, Status.DEGRADED, Status.DOWN], 0.75),  # as up: no alert was sent
        ([Status.UP, Status.MAINTENANCE, Status.UNKNOWN], 1),  # excluded
        ([Status.MAINTENANCE, Status.UNKNOWN], None),
        ([], None),
    ],
)
def test_uptime_is_up_over_up_and_down(statuses, share):
    assert uptime_share(tally_beats(beats_of(*statuses), PERIODS, HOUR)) == share


def test_latencies_are_those_of_passing_checks_that_measured_one():
    beats = [
        TimedBeat(START, Status.UP, 10_000),
        TimedBeat(START + 1, Status.DEGRADED, 30_000),
        TimedBeat(START + 2, Status.DOWN, 16_000_000),
        TimedBeat(START + 3, Status.UP, 0),
    ]
    one = tally_beats(beats, PERIODS, HOUR)
    assert sum(one.sketch.values()) == 2
    assert mean_latency_ms(one) == 20
    assert mean_latency_ms(Tally()) is None


statuses = st.lists(st.sampled_from(list(Status)), max_size=60)


@given(statuses, st.integers(0, 60))
def test_parts_merge_to_the_whole(statuses, cut):
    beats = beats_of(*statuses)
    edge = START + cut * MINUTE
    first = tally_beats([beat for beat in beats if beat.at_ms < edge], PERIODS, range(START, edge))
    second = tally_beats([beat for beat in beats if beat.at_ms >= edge - MINUTE], PERIODS, range(edge, HOUR.stop))
    both, whole = merge_tallies([first, second]), tally_beats(beats, PERIODS, HOUR)
    assert (both.counts, both.ms, both.sketch) == (whole.counts, whole.ms, whole.sketch)


@given(statuses)
def test_no_more_is_observed_than_there_is_time(statuses):
    assert tally_beats(beats_of(*statuses, step=7_000), PERIODS, HOUR).observed_ms <= 60 * MINUTE


def test_a_status_holds_until_the_next_cron_slot():
    hourly = [SchedulePeriod(START - 60 * MINUTE, 0, "0 * * * *", "UTC")]
    first = next_cron("0 * * * *", "UTC", START) or 0
    window = range(first, first + 150 * MINUTE)
    found = tally_beats([TimedBeat(first, Status.UP, 1)], hourly, window)
    assert found.ms[Status.UP] == 60 * MINUTE


def test_on_demand_checks_add_no_observed_time():
    assert (
        tally_beats(
            [TimedBeat(START, Status.UP, 1)], [SchedulePeriod(START, 0)], range(START, START + MINUTE)
        ).observed_ms
        == 0
    )
