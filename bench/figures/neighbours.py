"""P12: how 500 hanging targets change the punctuality of the others."""

import asyncio

from bench import programs
from bench.figure import Figure
from bench.installation import fresh_installation
from bench.reading import INTERVAL_S, reading
from bench.run import Run
from bench.sweep import SETTLE_S, SOME, begin, grown
from bench.target import HANG

HANGING = 500


async def measure(run: Run) -> list[Figure]:
    """Lateness p99 of 3,500 monitors with 500 hanging ones beside them, over the same while those answered."""
    seconds = INTERVAL_S if run.quick else 2 * INTERVAL_S
    async with programs.controlled("bench.target") as target, fresh_installation() as installed:
        await begin(installed, target)
        await grown(installed, SOME)
        await asyncio.sleep(SETTLE_S)
        calm = await reading(installed, target, seconds)
        await target.get(f"/set?from=0&to={HANGING - 1}&as={HANG}")
        await asyncio.sleep(SETTLE_S)
        beset = await reading(installed, target, seconds)
    note = f"p99 {beset.late(0.99):.0f} ms beside them, {calm.late(0.99):.0f} ms without, {beset.missed} missed"
    what = "lateness p99 beside 500 hanging of 4,000, over without"
    return [Figure(name="P12", what=what, value=beset.late(0.99) / calm.late(0.99), unit="x", goal=1.5, note=note)]
