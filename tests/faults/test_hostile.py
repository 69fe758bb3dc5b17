"""The verdict on a run beside hostile targets, and the servers of that run."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import msgspec
import pytest

from bench.faults.hostile import judgement
from bench.faults.hostile.encrypted import CONTEXTS
from bench.faults.hostile.judgement import Beat, Memory, Punctuality, TargetsReport
from bench.faults.hostile.kinds import KINDS
from bench.faults.hostile.serve import serving
from schema.heartbeat_texts import ANSWERED, MISSED, NO_ANSWER, NOT_CHECKED
from schema.status import Status
from schema.targets import TARGETS

DUE = [5_000, 10_000, 15_000]
UP = {at_ms: Beat(at_ms, Status.UP, ANSWERED) for at_ms in DUE}
GOOD = TargetsReport(name="R13", healthy=[Punctuality(3)], hostile=2, results=4)
UNASKED = {"push", "group", "manual", "ping"}  # types without a server, or with the kernel as one


@pytest.mark.parametrize(
    ("beats", "arrivals", "lost", "late", "worst_ms"),
    [
        (UP, [5_020.0, 10_030.0, 15_010.0], 0, 0, 30.0),
        (UP, [4_990.0, 10_000.0, 15_000.0], 0, 0, 0.0),  # clocks are rounded
        (UP, [5_000.0, 12_001.0, 15_000.0], 0, 1, 2_001.0),
        (UP, [5_000.0, 15_000.0], 0, 1, 5_000.0),
        (UP, None, 0, 0, 0.0),  # a push monitor: no request is made
        ({}, [5_000.0, 10_000.0, 15_000.0], 3, 0, 0.0),
        ({**UP, 10_000: Beat(10_000, Status.UNKNOWN, NOT_CHECKED)}, None, 1, 0, 0.0),
        ({**UP, 10_000: Beat(10_000, Status.DOWN, 0, "refused")}, None, 1, 0, 0.0),
        ({**UP, 10_001: Beat(10_001, Status.DOWN, 0, "off the grid")}, None, 0, 0, 0.0),
    ],
)
def test_a_slot_is_lost_when_it_is_not_up_and_late_when_requested_late(beats, arrivals, lost, late, worst_ms):
    found = judgement.punctuality("h-1", DUE, beats, arrivals, 5_000)
    assert (found.due, len(found.lost), len(found.late), found.worst_ms) == (3, lost, late, worst_ms)


@pytest.mark.parametrize(
    ("beat", "why"),
    [
        (Beat(1, Status.DOWN, 0, "the server greets with nonsense"), ""),
        (Beat(1, Status.UNKNOWN, 0, "nobody says when it ends"), ""),
        (Beat(1, Status.DOWN, NO_ANSWER), ""),
        (Beat(1, Status.UP, ANSWERED), "it is up"),
        (Beat(1, Status.DEGRADED, 0, "slow"), "it is degraded"),
        (Beat(1, Status.DOWN), "no reason was given"),
        (Beat(1, Status.UNKNOWN, NOT_CHECKED), "it was not checked"),
        (Beat(1, Status.UNKNOWN, MISSED), "it was not checked"),
        (Beat(1, Status.UNKNOWN, 0, "a fault in Watchkeeper (KeyError); its log has more"), "a fault of ours"),
        (Beat(1, Status.DOWN, 0, "no\0pe"), "its reason is not plain text"),
        (Beat(1, Status.DOWN, 0, "caf\udce9"), "its reason is not plain text"),
        (Beat(1, Status.DOWN, 0, "a\x1b[31m"), "its reason is not plain text"),
        (Beat(1, Status.DOWN, 0, "a\u202eb"), "its reason is not plain text"),
        (Beat(1, Status.DOWN, 0, "a" * 501), "its reason is not plain text"),
    ],
)
def test_a_hostile_target_is_down_or_unknown_for_a_plain_reason(beat, why):
    found = judgement.objections("x", [beat, beat])
    assert len(found) == bool(why)
    assert all(why in line for line in found)


def test_a_missed_slot_is_no_problem_once_a_result_follows():
    blank, down = Beat(1, Status.UNKNOWN, MISSED), Beat(2, Status.DOWN, NO_ANSWER)
    assert judgement.objections("x", [blank, down]) == []
    assert len(judgement.objections("x", [down, blank])) == 1


def test_a_hostile_target_without_results_is_a_problem():
    assert judgement.unseen("x", []) == ["x: no result at all"]
    assert judgement.unseen("x", [Beat(1, Status.DOWN, NO_ANSWER)]) == []


def test_memory_may_grow_by_an_allocator_s_reserve():
    assert Memory(100, 500, 110).troubles(10) == []
    assert len(Memory(100, 500, 111).troubles(10)) == 1


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({}, True),
        ({"healthy": [Punctuality(3, ["h-1 at 5"])]}, False),
        ({"healthy": [Punctuality(3, [], ["h-1 at 5"])]}, False),
        ({"healthy": []}, False),  # nothing compared, so nothing was shown
        ({"results": 0}, False),
        ({"troubles": ["worker 7 is gone"]}, False),
    ],
)
def test_a_run_passes_when_healthy_targets_are_unaffected(changes, holds):
    report = msgspec.structs.replace(GOOD, **changes)
    assert report.holds is holds
    assert ("DOES NOT HOLD" in report.text()) is not holds


def test_every_type_with_a_server_meets_hostile_ones():
    met = Counter(kind.type for kind in KINDS)
    assert set(met) == set(TARGETS) - UNASKED
    assert sum(met.values()) >= 60


def test_kinds_have_names_of_their_own_and_configs_that_are_valid():
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        assert bool(kind.script) is not bool(kind.answers)
        assert not kind.tls or kind.tls in CONTEXTS
        msgspec.convert(kind.config(1), TARGETS[kind.type])


async def test_every_kind_is_served_on_a_port_of_its_own():
    async with asyncio.timeout(30), AsyncExitStack() as servers:
        places = {(bool(kind.script), await servers.enter_async_context(serving(kind))) for kind in KINDS}
    assert len(places) == len(KINDS)
