"""Statistics of a series of echo requests."""

import pytest

from actors.probes.net.ping_statistics import PingStatistics

LOST_SOME = (10.0, None, 14.0, 10.0, None)


def test_loss_average_and_jitter_are_of_what_came_back():
    echoes = PingStatistics(LOST_SOME)
    assert (round(echoes.loss, 6), echoes.average_ms, echoes.jitter_ms) == (40.0, 11.333, 4.0)
    assert echoes.facts() == {
        "rtt_ms": 11.333,
        "lost": 2,
        "jitter_ms": 4.0,
        "rtt_min_ms": 10.0,
        "rtt_max_ms": 14.0,
    }


@pytest.mark.parametrize(
    ("rtts", "max_loss", "max_jitter", "message"),
    [
        (LOST_SOME, None, None, ""),
        (LOST_SOME, 40.1, 4.0, ""),
        (LOST_SOME, 20, None, "40 % of 5 echo requests were lost, more than 20 %"),
        (LOST_SOME, None, 3.5, "the answers vary by 4 ms, more than 3.5 ms"),
        (LOST_SOME, 0, 0.1, "40 % of 5 echo requests were lost, more than 0 %"),
        ((5.0,), 0, 0.1, ""),
        ((1.0, 1.0), 0, 0.1, ""),
    ],
)
def test_a_limit_that_is_passed_is_named(rtts, max_loss, max_jitter, message):
    assert PingStatistics(rtts).exceeded_limit(max_loss, max_jitter) == message


def test_a_series_without_replies_has_no_round_trip_time():
    assert PingStatistics((None, None)).facts() == {"lost": 2}
