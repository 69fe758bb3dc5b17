"""A failure while the worker stood still is unknown, never down, and is rechecked at once."""

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from actors.probes import ProbeContext, run_probe
from actors.probes.kit import stalls
from app import clock, clock_watch
from schema.jobs import CheckOutcome
from schema.status import Status
from schema.targets import Tcp
from tests import make

STILL_S = 1.5
TOLERATED_S = stalls.TOLERATED_S


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch, stalls_tolerated: None) -> Iterator[None]:
    """Nothing was doubted before, and no more is tolerated than usual."""
    monkeypatch.setattr(stalls, "TOLERATED_S", TOLERATED_S)
    stalls._rechecks.clear()
    yield
    stalls._rechecks.clear()


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that accepts connections and never sends a byte."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def stand_still(after_s: float) -> None:
    """Have the loop notice nothing for a while, as a process that is stopped."""
    asyncio.get_running_loop().call_later(after_s, time.sleep, STILL_S)


async def looked(context: ProbeContext, target: Tcp, *, series: int = 1, timeout_ms: int = 1_000) -> CheckOutcome:
    """One check of a series."""
    return await run_probe(
        make.slot(series=series), make.snapshot(target, series=series, timeout_ms=timeout_ms), context
    )


async def test_a_limit_that_rings_late_is_our_fault(context, silent):
    stand_still(0.1)
    outcome = await looked(context, Tcp(host="127.0.0.1", port=silent, expect="220"))
    assert outcome.status is Status.UNKNOWN
    assert "stood still" in outcome.message
    assert abs(outcome.recheck_ms - clock.now_ms()) < 60_000


async def test_a_limit_that_rings_in_time_is_the_targets(context, silent, monkeypatch):
    monkeypatch.setattr(stalls, "TOLERATED_S", 10.0)  # in time, on a busy machine
    outcome = await looked(context, Tcp(host="127.0.0.1", port=silent, expect="220"), timeout_ms=3_000)
    assert (outcome.status, outcome.recheck_ms) == (Status.DOWN, 0)


async def test_any_failure_during_a_stall_is_unknown(context, free_port):
    ticking = asyncio.create_task(clock_watch.watch.run(lambda _: None))
    await asyncio.sleep(0)
    stand_still(0)
    outcome = await looked(context, Tcp(host="127.0.0.1", port=free_port), timeout_ms=5_000)
    ticking.cancel()
    assert outcome.status is Status.UNKNOWN


async def test_an_answer_that_came_all_the_same_counts(context, silent):
    ticking = asyncio.create_task(clock_watch.watch.run(lambda _: None))
    await asyncio.sleep(0)
    stand_still(0)
    outcome = await looked(context, Tcp(host="127.0.0.1", port=silent), timeout_ms=5_000)
    ticking.cancel()
    assert outcome.status is Status.UP


async def test_a_worker_that_is_always_slow_stops_rechecking(context, silent):
    outcomes = []
    for _ in range(stalls.MAX_RECHECKS + 2):
        stand_still(0.1)
        outcomes.append(await looked(context, Tcp(host="127.0.0.1", port=silent, expect="220")))
    assert [bool(one.recheck_ms) for one in outcomes] == [True] * stalls.MAX_RECHECKS + [False] * 2
    assert {one.status for one in outcomes} == {Status.UNKNOWN}


async def test_a_limit_that_rang_in_time_is_the_targets_however_long_the_end_takes():
    limit = clock_watch.TimeLimit(0.05)
    with pytest.raises(TimeoutError):
        await ends_slowly(limit)
    assert limit.late_s < 2


async def ends_slowly(limit: clock_watch.TimeLimit) -> None:
    async with limit:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(2)
