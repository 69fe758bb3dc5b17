import pytest

from bench.faults.standstill import Sample, Stretch, between, counted, summary, unnoticed

WELL, ILL, SILENT = ("healthy", ()), ("degraded", ("workers none",)), ("no answer", ("TimeoutError",))


def samples(*statuses: tuple[float, tuple[str, tuple[str, ...]]]) -> list[Sample]:
    return [Sample(at_ms, status, wrong) for at_ms, (status, wrong) in statuses]


@pytest.mark.parametrize(
    ("times", "found"),
    [
        ([], [(0.0, 200_000.0)]),
        ([50_000.0, 100_000.0, 150_000.0], []),
        ([50_000.0, 130_000.0], [(50_000.0, 130_000.0), (130_000.0, 200_000.0)]),
        ([-5.0, 60_000.0, 120_000.0, 180_000.0, 900_000.0], []),  # what lies outside of the window is no edge
    ],
)
def test_a_stretch_is_what_lasts_longer_than_a_minute(times, found):
    stretches = between("t-1", times, (0.0, 200_000.0))
    assert [(one.from_ms, one.to_ms) for one in stretches] == found


@pytest.mark.parametrize(
    ("recorded", "is_noticed"),
    [
        (samples((10_000.0, WELL), (70_000.0, ILL)), True),
        (samples((10_000.0, WELL), (70_000.0, SILENT)), True),
        (samples((10_000.0, WELL), (59_000.0, WELL), (101_000.0, WELL)), True),  # before it is long, and after it
        (samples((10_000.0, ILL), (70_000.0, WELL)), False),
    ],
)
def test_a_standstill_of_more_than_a_minute_must_be_reported(recorded, is_noticed):
    lines = unnoticed([Stretch("t-1", 0.0, 100_000.0)], recorded)
    assert (lines == []) is is_noticed
    assert all("t-1 stood still for 100 s" in line for line in lines)


def test_a_short_stretch_need_not_be_noticed():
    assert unnoticed([Stretch("t-1", 0.0, 59_000.0)], samples((58_000.0, WELL), (60_000.0, WELL))) == []


def test_reports_are_listed_in_turn():
    recorded = samples((0.0, WELL), (1.0, WELL), (2.0, ILL), (3.0, WELL))
    assert summary(recorded) == "healthy 2, degraded (workers none) 1, healthy 1"
    assert summary([]) == "nobody looked"
    assert counted(["b", "a", "b"]) == "b 2, a 1"
    assert counted([]) == "none"
