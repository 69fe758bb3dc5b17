"""P6: the memory of an idle installation, and the memory per monitor."""

import asyncio

from bench import programs
from bench.figure import Figure
from bench.installation import fresh_installation
from bench.run import Run
from bench.sweep import FEW, MANY, sweep

CALM_S = 10  # after the start: imports and first ticks are over
A_FEW, SLOW_S = 10, 60


async def measure(run: Run) -> list[Figure]:
    """PSS when idle, PSS per 1,000 monitors, cores with 10 monitors at 60 s."""
    pss_bytes, cores = await run.once("idle", _idle)
    at = (await sweep(run)).at
    per_1000 = (at[MANY].pss_bytes - at[FEW].pss_bytes) / (MANY - FEW) * 1000
    loaded = f"{at[MANY].pss_bytes / 1e6:.0f} MB at 10,000 monitors"
    return [
        Figure(name="P6a", what="PSS of everything, idle", value=pss_bytes / 1e6, unit="MB", goal=250),
        Figure(name="P6b", what="PSS per 1,000 monitors", value=per_1000 / 1e6, unit="MB", goal=10, note=loaded),
        Figure(name="P6c", what="CPU, 10 monitors at 60 s", value=cores, unit="core", goal=0.03),
    ]


async def _idle(run: Run) -> tuple[int, float]:
    async with programs.controlled("bench.target") as target, fresh_installation() as installed:
        await installed.start()
        await asyncio.sleep(CALM_S)
        pss_bytes = installed.cost().pss_bytes
        await installed.register()
        for number in range(A_FEW):
            await installed.monitor(target.url(f"/t/{number}"), f"t-{number}", interval=SLOW_S)
        await asyncio.sleep(CALM_S)
        seconds = 20 if run.quick else SLOW_S
        before = installed.cost().cpu_s
        await asyncio.sleep(seconds)
        return pss_bytes, (installed.cost().cpu_s - before) / seconds
