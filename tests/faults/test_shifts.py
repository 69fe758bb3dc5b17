import pytest

from bench.faults.shifts import Shift, straightened
from bench.receiver import Delivery

HOUR_MS, TWO_MIN_MS = 3_600_000.0, 120_000.0
HOUR = Shift(100_000.0, 116_000.0, HOUR_MS)
TWO_MIN = Shift(100_000.0, 116_000.0, TWO_MIN_MS)


def arrived(at_ms: float, arrived_ms: float, started_ms: float = 0.0) -> Delivery:
    return Delivery("key", "monitor.up" if started_ms else "monitor.down", "t-1", at_ms, arrived_ms, started_ms)


@pytest.mark.parametrize(
    ("at_ms", "arrived_ms", "shift", "true_ms"),
    [
        (90_000.0, 90_300.0, HOUR, 90_000.0),  # before
        (105_000.0 + HOUR_MS, 105_300.0, HOUR, 105_000.0),  # while the clock was ahead
        (97_000.0 + HOUR_MS, 101_000.0, HOUR, 97_000.0),  # a slot from before the jump
        (115_900.0 + HOUR_MS, 117_000.0, HOUR, 115_900.0),  # it arrived when the clock was right again
        (130_000.0, 130_200.0, HOUR, 130_000.0),  # after
        (110_000.0 + TWO_MIN_MS, 110_100.0, TWO_MIN, 110_000.0),
        (230_000.0, 230_100.0, TWO_MIN, 230_000.0),  # after, when the future of then has come
        (130_000.0 + HOUR_MS, 130_200.0, HOUR, 130_000.0 + HOUR_MS),  # after, and still in the future: that is wrong
    ],
)
def test_timestamps_from_a_shifted_clock_are_corrected(at_ms, arrived_ms, shift, true_ms):
    assert straightened([arrived(at_ms, arrived_ms)], [shift])[0].at_ms == true_ms


def test_an_outage_has_its_beginning_once_that_has_passed():
    down = arrived(110_000.0 + TWO_MIN_MS, 110_100.0)
    up = arrived(300_000.0, 300_100.0, started_ms=110_000.0 + TWO_MIN_MS)
    assert [one.started_ms for one in straightened([down, up], [TWO_MIN])] == [0.0, 110_000.0]


def test_a_true_clock_changes_nothing():
    some = [arrived(90_000.0, 90_300.0), arrived(95_000.0, 95_100.0, started_ms=90_000.0)]
    assert straightened(some, []) == some
