"""The clock is distrusted: pauses and jumps are noticed, by whatever they came about."""

import pytest

from app.clock_watch import PAUSE_S, RECENT_S, TICK_S, ClockWatch


class FakeClocks:
    """Two clocks that a test moves."""

    def __init__(self) -> None:
        self.wall_s, self.steady_s = 1_795_000_000.0, 5_000.0

    def pass_(self, seconds: float, *, jump_s: float = 0.0) -> None:
        """Let time pass; the wall clock jumps as well."""
        self.steady_s += seconds
        self.wall_s += seconds + jump_s


@pytest.fixture
def clocks() -> FakeClocks:
    return FakeClocks()


@pytest.fixture
def watch(clocks) -> ClockWatch:
    """A watch that has ticked once."""
    made = ClockWatch(lambda: clocks.wall_s, lambda: clocks.steady_s)
    made.tick()
    return made


@pytest.mark.parametrize(
    ("seconds", "jump_s", "noticed"),
    [
        (TICK_S, 0.0, False),
        (TICK_S + PAUSE_S / 2, 0.0, False),
        (TICK_S, 1.0, False),
        (6.0, 0.0, True),
        (TICK_S, 3_600.0, True),
        (TICK_S, -3_600.0, True),
        (TICK_S, -120.0, True),
    ],
)
def test_pauses_and_jumps_are_noticed_and_busy_moments_are_not(clocks, watch, seconds, jump_s, noticed):
    clocks.pass_(seconds, jump_s=jump_s)
    found = watch.tick()
    assert (found is not None) is noticed
    assert list(watch.interruptions) == ([found] if found else [])


def test_a_pause_is_known_before_the_next_tick(clocks, watch):
    began_s = clocks.steady_s
    clocks.pass_(6.0)
    assert watch.lost_s(began_s) == pytest.approx(6.0)


def test_a_pause_that_was_over_before_is_nobodys(clocks, watch):
    clocks.pass_(6.0)
    watch.tick()
    assert watch.lost_s(clocks.steady_s) == 0.0


def test_a_machine_that_slept_lost_the_time_that_only_the_wall_clock_counted(clocks, watch):
    began_s = clocks.steady_s
    clocks.pass_(TICK_S, jump_s=600.0)
    assert watch.lost_s(began_s) == pytest.approx(600.0 + TICK_S)


def test_a_jump_is_worth_mentioning_for_a_while(clocks, watch):
    clocks.pass_(TICK_S, jump_s=-3_600.0)
    watch.tick()
    assert watch.jump_s() == pytest.approx(-3_600.0)
    clocks.pass_(RECENT_S + 1.0)
    watch.tick()
    assert watch.jump_s() == 0.0


def test_a_pause_is_no_jump(clocks, watch):
    clocks.pass_(6.0)
    assert watch.jump_s() == 0.0


def test_a_pause_between_two_readings_is_no_jump(clocks):
    stops = iter([0.0, 6.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])

    def wall() -> float:
        now_s = clocks.wall_s
        clocks.pass_(next(stops))
        return now_s

    watch = ClockWatch(wall, lambda: clocks.steady_s)
    watch.tick()
    clocks.pass_(TICK_S)
    found = watch.tick()
    assert found is not None
    assert not found.is_jump


def test_a_clock_that_was_set_ahead_is_taken_for_ahead_until_it_is_put_back(clocks, watch):
    assert watch.ahead_s() == 0
    clocks.pass_(TICK_S, jump_s=3_600.0)
    assert watch.ahead_s() == pytest.approx(3_600.0)  # before any tick has noticed
    watch.tick()
    clocks.pass_(10_000.0)
    watch.tick()
    assert watch.ahead_s() == pytest.approx(3_600.0)
    clocks.pass_(TICK_S, jump_s=-3_600.0)
    watch.tick()
    assert watch.ahead_s() == pytest.approx(0.0)


def test_a_clock_that_was_put_back_first_is_not_ahead(clocks, watch):
    clocks.pass_(TICK_S, jump_s=-120.0)
    watch.tick()
    assert watch.ahead_s() == 0
