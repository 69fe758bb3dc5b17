"""R10, R11, R12, R14: faults one after another in one installation; after one that does not hold, in a fresh one."""

import asyncio
import time
from collections.abc import Callable, Sequence

from app.store.history import completeness
from bench import record
from bench.faults.options import Options
from bench.faults.report import History, Report
from bench.faults.scene import SETTLE_S
from bench.faults.world import clocks, logs, pauses, postgres, valkey
from bench.faults.world.scenario import Scenario, never_well, play, with_history
from bench.faults.world.stage import World, world
from bench.installation import NotReady


async def run(options: Options, show: Callable[[Report], None]) -> list[Report]:
    """Each fault that can befall this engine, or the short selection of them; each is shown as it comes."""
    reports, left = list[Report](), chosen(options)
    while left:
        played, left = await _in_one(options, left)
        for report in played:
            show(report)
        reports += played
    return reports


def chosen(options: Options) -> list[Scenario]:
    """Which faults are played, and for how long."""
    if options.cluster is not None:
        every = postgres.scenarios()
    else:
        # Clocks last: the gap that a jump ahead leaves excuses whatever slots would be missing in the hour after it.
        every = [*pauses.scenarios(), *logs.scenarios(), *valkey.scenarios(), *clocks.scenarios()]
    if options.only:
        return [one for one in every if options.only in one.name]
    return [one.shortened() for one in every if one.is_short] if options.is_short else every


async def _in_one(options: Options, scenarios: Sequence[Scenario]) -> tuple[list[Report], list[Scenario]]:
    """Play them in a fresh installation, up to the first that does not hold. Returns the reports, and what is left."""
    reports, ends = list[Report](), list[float]()
    async with world(options) as place:
        for scenario in scenarios:
            try:
                reports.append(await play(place, scenario))
            except NotReady as error:
                reports.append(never_well(place, scenario, f"did not start again: {error}"))
            ends.append(time.time())
            if not reports[-1].holds:
                break
        reports = await _counted(place, reports, ends)
        if not all(report.holds for report in reports):
            await place.scene.save()
    return reports, list(scenarios[len(reports) :])


async def _counted(place: World, reports: list[Report], ends: list[float]) -> list[Report]:
    """The reports with what the doctor counts in the time of each, once everything has settled.

    It is counted here up to the end of each fault: a doctor of its own takes seconds to start. It has the last word.
    """
    await asyncio.sleep(SETTLE_S + 1)
    async with record.record(place.scene.installation):
        found = [await completeness.build_report(int(end * 1000), 0) for end in ends[:-1]]
    counts = [History(one.slots, one.missing, one.doubled, one.gaps) for one in found]
    counts.append(await place.scene.history())
    before = [History(), *counts[:-1]]
    return [with_history(report, now.since(then)) for report, now, then in zip(reports, counts, before, strict=True)]
