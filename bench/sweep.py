"""One installation at growing numbers of monitors: what the figures of cost, lateness, memory and writing read."""

import asyncio

from msgspec import Struct

from bench import programs, record
from bench.installation import Installation, fresh_installation
from bench.programs import ControlledProgram
from bench.reading import INTERVAL_S, Reading, reading
from bench.run import Run

FEW, SOME, MANY = 2_000, 4_000, 10_000
SETTLE_S = INTERVAL_S + 5  # by then every monitor was checked once and every worker knows it
BARE_REQUESTS, BARE_AT_ONCE = 20_000, 100


class Sweep(Struct, frozen=True):
    """Readings by number of monitors, and the yardstick of the same run: CPU ms of a bare request."""

    bare_ms: float
    at: dict[int, Reading]


async def sweep(run: Run) -> Sweep:
    """The run's sweep, made on first use."""
    made: Sweep = await run.once("sweep", _sweep)
    return made


async def bare_ms(target: ControlledProgram) -> float:
    """CPU ms of a bare aiohttp request against this target."""
    return float(await programs.output("bench.bare", target.url("/t"), BARE_REQUESTS, BARE_AT_ONCE))


async def _sweep(run: Run) -> Sweep:
    seconds = INTERVAL_S if run.quick else 2 * INTERVAL_S
    async with programs.controlled("bench.target") as target, fresh_installation() as installed:
        before = await bare_ms(target)
        await begin(installed, target)
        at = {}
        for size in (FEW, MANY) if run.quick else (FEW, SOME, MANY):
            await grown(installed, size)
            await asyncio.sleep(SETTLE_S)
            at[size] = await reading(installed, target, seconds)
            await installed.stop()
        return Sweep((before + await bare_ms(target)) / 2, at)


async def begin(installed: Installation, target: ControlledProgram) -> None:
    """Register, and add the monitor that the others are made after; left stopped."""
    await installed.start()
    await installed.register()
    await installed.monitor(target.url("/t/0"), "t-0", interval=INTERVAL_S)
    await installed.stop()


async def grown(installed: Installation, size: int) -> None:
    """Add monitors up to `size` while the product is off, then start it."""
    async with record.record(installed):
        named = await record.numbers()
        await record.clone(await record.monitor_id("t-0"), range(len(named), size))
    await installed.start()
