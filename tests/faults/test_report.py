import msgspec
import pytest

from bench.faults.oracle import Verdict
from bench.faults.report import History, Report

GOOD = Report(
    name="R1", rounds=3, injected={"api": 3}, verdict=Verdict(transitions=2), unchecked=0, history=History(slots=9)
)


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({}, True),
        ({"verdict": Verdict(2, repeats=4)}, True),
        ({"verdict": Verdict(2, lost=["t-1 down"])}, False),
        ({"verdict": Verdict(2, doubled=["t-1 down"])}, False),
        ({"verdict": Verdict(2, invented=["t-1 down"])}, False),
        ({"verdict": Verdict(0)}, False),  # nothing happened, so nothing was shown
        ({"unchecked": 1}, False),
        ({"wasted": 1}, False),
        ({"history": History(slots=9, missing=1)}, False),
        ({"history": History(slots=9, doubled=1)}, False),
        ({"history": History(slots=9, gaps=5)}, True),
        ({"troubles": ["a read was refused"]}, False),
    ],
)
def test_a_run_passes_when_nothing_is_lost_doubled_or_unchecked(changes, holds):
    report = msgspec.structs.replace(GOOD, **changes)
    assert report.holds is holds
    assert ("DOES NOT HOLD" in report.text()) is not holds


def test_every_trouble_is_printed():
    text = msgspec.structs.replace(GOOD, troubles=["one"], notes=["two"], verdict=Verdict(1, ["three"])).text()
    assert all(word in text for word in ("trouble: one", "note: two", "lost: three", "injected: api 3"))


def test_a_count_since_an_earlier_one_is_the_difference():
    assert History(9, 2, 1, 4).since(History(5, 1, 1, 0)) == History(4, 1, 0, 4)
