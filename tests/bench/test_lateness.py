import pytest

from bench import lateness


def test_lateness_is_arrival_minus_the_due_time_on_the_grid():
    assert lateness.late_ms([(2, 20_530.0), (1, 40_005.0)], {1: 0, 2: 500}, 20_000) == [5.0, 30.0]


def test_unknown_targets_are_ignored():
    assert lateness.late_ms([(9, 1.0)], {1: 0}, 20_000) == []


@pytest.mark.parametrize(
    ("times", "missed"),
    [
        ((10_000, 30_000), 0),
        ((10_000,), 0),  # the end of the window is 30 s away
        ((5_000,), 1),
        ((), 1),
        ((0, 29_000, 40_000), 0),
        ((0, 31_000, 40_000), 1),
    ],
)
def test_a_monitor_left_alone_for_too_long_is_missed(times, missed):
    assert lateness.missed([(1, float(at)) for at in times], [1], (0.0, 40_000.0), 20_000) == missed
