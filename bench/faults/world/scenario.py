"""Runs one fault: targets flip before, during and after it; then everything must recover within a minute."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from msgspec import Struct
from msgspec.structs import replace

from bench.faults import standstill
from bench.faults.oracle import Verdict
from bench.faults.report import History, Report
from bench.faults.world.stage import World

QUIET_S = 1.0  # after everything was alerted: what is doubled would follow at once
TAIL_S = 12.0  # what did not get well is watched for longer, for what health says of it

Fault = Callable[[World], AbstractAsyncContextManager[None]]


class Scenario(Struct, frozen=True, kw_only=True):
    """One fault.

    fault          begins with the block and is over with it
    hold_s         how long it lasts
    endures        checks and alerts go on while it lasts
    encore_after_s targets flip once more, so long after it began
    says           the event that must come of it, `/health` showing it meanwhile
    afterwards     looks at what else must hold, when everything is well
    is_short       part of a short run; short_s is how long it lasts there
    """

    name: str
    fault: Fault
    hold_s: float = 0.0
    endures: bool = False
    encore_after_s: float = 0.0
    says: str = ""
    afterwards: Callable[[World], Awaitable[None]] | None = None
    is_short: bool = False
    short_s: float = 6.0

    def shortened(self) -> "Scenario":
        """The same for a short run."""
        return replace(self, hold_s=min(self.hold_s, self.short_s))


async def play(world: World, scenario: Scenario) -> Report:
    """Play it; the report has no history yet."""
    before, began_ms = await world.tally(), time.time() * 1000
    world.troubles, world.notes = [], []
    flips = await world.flip()
    async with scenario.fault(world):
        await _during(world, scenario)
    ended_ms = time.time() * 1000
    await world.flip()
    flips = [flip for flip in world.flips if flip.at_ms >= flips[0].at_ms]
    well_s = await world.well(flips, ended_ms)
    world.scene.outage(began_ms)
    if well_s is None:
        await asyncio.sleep(TAIL_S)
    elif scenario.encore_after_s:
        await _encore(world, began_ms + scenario.encore_after_s * 1000)
    if scenario.says:
        await world.require_event(scenario.says, began_ms)
    if scenario.afterwards is not None:
        await scenario.afterwards(world)
    await asyncio.sleep(QUIET_S)
    after = await world.tally()
    return Report(
        name=_name(world, scenario),
        rounds=1,
        injected={scenario.name: 1},
        verdict=after.verdict.since(before.verdict),
        unchecked=after.unchecked - before.unchecked,
        history=History(slots=1),  # counted when everything has settled
        troubles=[*world.troubles, *await world.unnoticed(began_ms)],
        notes=[*await _notes(world, began_ms, ended_ms, well_s), *world.notes],
    )


async def _during(world: World, scenario: Scenario) -> None:
    """Half of it passes, targets flip, the other half passes. Who endures must have alerted before it ends."""
    await asyncio.sleep(scenario.hold_s / 2)
    if not scenario.hold_s:
        return
    now_ms, flips = time.time() * 1000, await world.flip()
    if scenario.endures:
        took_s = await world.well(flips, now_ms)
        world.notes.append("while it lasted: " + ("not well" if took_s is None else f"alerted within {took_s:.1f} s"))
        await asyncio.sleep(max(0.0, scenario.hold_s / 2 - (took_s or 0.0)))
    else:
        await asyncio.sleep(scenario.hold_s / 2)


async def _encore(world: World, at_ms: float) -> None:
    """Targets flip again later: what was written by a clock that was ahead is there by then."""
    await asyncio.sleep(max(0.0, at_ms / 1000 - time.time()))
    now_ms = time.time() * 1000
    took_s = await world.well(await world.flip(), now_ms)
    took = "not alerted" if took_s is None else f"alerted within {took_s:.1f} s"
    world.notes.append(f"flips when what was stored ahead is due: {took}")


async def _notes(world: World, began_ms: float, ended_ms: float, well_s: float | None) -> list[str]:
    took = f"{well_s:.1f} s" if well_s is not None else "not"
    samples = [one for one in world.health.samples if one.at_ms >= began_ms]
    return [
        f"lasted {(ended_ms - began_ms) / 1000:.1f} s; well again after {took}",
        f"/health said {standstill.summary(samples)}",
        f"events {standstill.counted(await world.system_events(began_ms))}",
    ]


def never_well(world: World, scenario: Scenario, trouble: str) -> Report:
    """The report of a fault that could not be played to its end."""
    return Report(
        name=_name(world, scenario),
        rounds=1,
        injected={scenario.name: 1},
        verdict=Verdict(),
        unchecked=0,
        history=History(),
        troubles=[*world.troubles, trouble],
    )


def _name(world: World, scenario: Scenario) -> str:
    return f"world: {scenario.name}, {'PostgreSQL' if world.options.cluster else 'SQLite'}"


def with_history(report: Report, history: History) -> Report:
    """The report, with what the doctor counted in its time."""
    notes = [*report.notes, f"{history.gaps} of {history.slots} slots lie in gaps"] if history.gaps else report.notes
    return replace(report, history=history, notes=notes)
