from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from bench.faults import oracle
from bench.faults.oracle import Fact, Plateau, Verdict

INF = float("inf")
SWITCHES = [(100_000.0, False), (140_000.0, True), (200_000.0, False)]
STRETCHES = oracle.plateaus(SWITCHES)
TRUE = [Fact("a", False, 101_000), Fact("b", True, 143_000), Fact("c", False, 199_000)]  # c: an old slot, checked late


def test_switches_make_plateaus_and_the_first_is_up():
    assert oracle.plateaus([(1.0, True), (5.0, False), (6.0, False)]) == [
        Plateau(True, -INF, 5.0),
        Plateau(False, 5.0, INF),
    ]


@pytest.mark.parametrize(
    ("facts", "lost", "doubled", "invented"),
    [
        (TRUE, 0, 0, 0),
        (TRUE[:2], 1, 0, 0),
        ([], 3, 0, 0),
        ([*TRUE, Fact("d", False, 120_000)], 0, 1, 0),
        ([*TRUE, Fact("d", True, 50_000)], 0, 0, 1),  # up, of what was never down
        ([*TRUE, Fact("d", False, 160_000)], 0, 0, 1),  # down, of what was up
    ],
)
def test_each_plateau_is_alerted_exactly_once(facts, lost, doubled, invented):
    verdict = oracle.strict("t", STRETCHES, facts)
    assert (len(verdict.lost), len(verdict.doubled), len(verdict.invented)) == (lost, doubled, invented)
    assert verdict.transitions == 3


def test_the_same_key_twice_is_a_repeat_and_no_double():
    verdict = oracle.strict("t", STRETCHES, [*TRUE, TRUE[0]])
    assert verdict.holds
    assert verdict.repeats == 1


@given(st.lists(st.floats(40_000, 90_000), min_size=1, max_size=8), st.data())
def test_one_missing_fact_is_one_loss_for_any_plateaus(lengths, data):
    edges = [sum(lengths[: n + 1]) for n in range(len(lengths))]
    stretches = oracle.plateaus([(at_ms, bool(n % 2)) for n, at_ms in enumerate(edges)])
    facts = [
        Fact(str(n), one.up, one.from_ms + data.draw(st.floats(-19_000, 19_000))) for n, one in enumerate(stretches[1:])
    ]
    gone = data.draw(st.integers(0, len(facts) - 1))
    assert oracle.strict("t", stretches, facts).holds
    assert oracle.strict("t", stretches, facts[:gone] + facts[gone + 1 :]) == Verdict(
        len(facts), [f"t {'up' if facts[gone].up else 'down'} at {stretches[gone + 1].from_ms:.0f}"]
    )


ANSWERS = [(1_000.0, True), (6_000.0, False), (11_000.0, True), (16_000.0, False), (21_000.0, True)]


@pytest.mark.parametrize(
    ("facts", "lost", "doubled", "invented"),
    [
        ([Fact("a", False, 5_990), Fact("b", True, 10_990)], 0, 0, 0),  # the second outage fell between stored checks
        ([], 0, 0, 0),
        ([Fact("a", False, 15_990)], 1, 0, 0),  # up again, and no alert was sent
        ([Fact("a", False, 5_990), Fact("b", False, 15_990), Fact("c", True, 20_990)], 0, 1, 0),
        ([Fact("a", False, 5_990), Fact("b", True, 30_000)], 0, 0, 1),
    ],
)
def test_quick_flips_are_alerted_in_turn_and_backed_by_responses(facts, lost, doubled, invented):
    verdict = oracle.consistent("t", ANSWERS, facts)
    assert (len(verdict.lost), len(verdict.doubled), len(verdict.invented)) == (lost, doubled, invented)


def test_exactly_the_stored_deliveries_must_arrive():
    assert oracle.delivered({"a", "b"}, ["b", "c"]) == Verdict(0, ["delivery a"], [], ["delivery c"])


@pytest.mark.parametrize(
    ("answers", "outages", "times"),
    [
        ([5_000, 10_000, 20_000], [], 0),
        ([5_000, 14_000, 28_000], [], 1),
        ([], [], 1),
        ([5_000, 25_000], [range(8_000, 20_000)], 0),
        ([5_000, 25_000], [range(8_000, 10_000), range(30_000, 40_000)], 1),
    ],
)
def test_an_unchecked_target_is_counted(answers, outages, times):
    assert oracle.unchecked(answers, (0, 30_000), 13_000, outages) == times


@pytest.mark.parametrize(
    ("blank", "answers", "lost"), [([5_000], [5_020.0], 1), ([5_000], [4_900.0, 10_010.0], 0), ([], [5_020.0], 0)]
)
def test_a_blank_slot_whose_check_was_answered_is_a_lost_result(blank, answers, lost):
    assert oracle.wasted(blank, answers, 5_000) == lost


@given(st.lists(st.tuples(st.floats(0, 1e6), st.booleans()), max_size=20))
def test_plateaus_alternate_and_leave_no_hole(switches):
    stretches = oracle.plateaus(switches)
    assert all(one.up != two.up and one.to_ms == two.from_ms for one, two in pairwise(stretches))


def judged(*facts: Fact) -> Verdict:
    return oracle.strict("t", STRETCHES, oracle.spelled_out(facts))


def test_an_outage_sent_in_a_digest_with_its_recovery_is_sent():
    both = Fact("b", True, 143_000, started_ms=101_000)
    assert oracle.strict("t", STRETCHES, [both, TRUE[2]]).lost == ["t down at 100000"]
    assert judged(both, TRUE[2]).holds


@pytest.mark.parametrize("started_ms", [101_000.0, 96_000.0, 101_020.0])
def test_a_recovery_sends_nothing_twice(started_ms):
    facts = [TRUE[0], Fact("b", True, 143_000, started_ms), TRUE[2]]
    assert oracle.spelled_out(facts) == facts


def test_a_recovery_that_names_no_outage_covers_only_itself():
    assert judged(Fact("b", True, 143_000), TRUE[2]).lost == ["t down at 100000"]


def test_a_recovery_that_names_another_outage_fails():
    verdict = judged(Fact("b", True, 143_000, started_ms=210_000.0), TRUE[2])
    assert verdict.lost == ["t down at 100000"]
    assert verdict.doubled == ["t down at 210000"]


def test_an_outage_that_lasts_must_be_sent_by_itself():
    assert judged(*TRUE[:2]).lost == ["t down at 200000"]


def test_a_channel_that_was_unavailable_gets_nothing_twice():
    assert "t up at 144000" in judged(*TRUE, Fact("d", True, 144_000, 100_000)).doubled


def test_two_recoveries_in_turn_are_sent_with_the_outage_between_them():
    answers = [*ANSWERS, (26_000.0, True)]
    facts = [Fact("a", False, 5_990), Fact("b", True, 10_990, 5_990), Fact("c", True, 20_990, 15_990)]
    assert oracle.consistent("t", answers, facts).doubled == ["t up at 20990"]
    assert oracle.consistent("t", answers, oracle.spelled_out(facts)).holds


def test_collapsed_deliveries_may_arrive_but_need_not():
    assert oracle.delivered(["a", "b"], ["b"], collapsed=["a"]).holds
    assert oracle.delivered(["a", "b"], ["a", "b"], collapsed=["a"]).holds
    assert oracle.delivered(["a", "b"], ["a"], collapsed=["a"]).lost == ["delivery b"]


def test_an_outage_sent_with_its_recovery_must_be_stored_so():
    assert oracle.delivered(["a", "b"], ["b"], collapsed=["a"], together=1).holds
    assert len(oracle.delivered(["a", "b"], ["a", "b"], together=1).lost) == 1


def test_a_verdict_since_an_earlier_one_contains_only_new_findings():
    earlier = Verdict(3, ["a"], ["b"], ["c"], 1)
    later = Verdict(5, ["a", "d"], ["b", "b"], ["c"], 4)
    assert later.since(earlier) == Verdict(2, ["d"], ["b"], [], 3)
    assert later.since(Verdict()) == later
