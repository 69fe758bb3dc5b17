"""P2: whether 20,000 monitors at 20 s are checked on time, target and load on the same machine."""

import asyncio

from bench import programs
from bench.figure import Figure
from bench.installation import fresh_installation
from bench.reading import INTERVAL_S, reading
from bench.run import Run
from bench.sweep import SETTLE_S, begin, grown

SIZES = (20_000, 30_000)
LATE_MS = 1_000


async def measure(run: Run) -> list[Figure]:
    """The largest of a few sizes with p99 lateness below a second and nothing missed."""
    sustained, notes = 0, []
    async with programs.controlled("bench.target") as target, fresh_installation() as installed:
        await begin(installed, target)
        for size in SIZES[:1] if run.quick else SIZES:
            await grown(installed, size)
            await asyncio.sleep(SETTLE_S)
            figure = await reading(installed, target, INTERVAL_S)
            await installed.stop()
            fine = figure.late(0.99) < LATE_MS and not figure.missed
            sustained = size if fine else sustained
            notes.append(f"{size:,}: p99 {figure.late(0.99):.0f} ms, {figure.missed} missed, {figure.cores:.2f} core")
            if not fine:
                break
    what = "monitors at 20 s, p99 lateness < 1 s, none missed"
    return [Figure(name="P2", what=what, value=sustained, goal=20_000, at_least=True, note="; ".join(notes))]
