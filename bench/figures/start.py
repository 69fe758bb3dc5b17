"""P10: how long a start takes, and a restart until every monitor is checked again."""

import asyncio
import time

import msgspec

from bench import programs
from bench.figure import Figure
from bench.installation import fresh_installation
from bench.programs import ControlledProgram
from bench.reading import INTERVAL_S
from bench.run import Run
from bench.sweep import begin, grown
from bench.target import Log

MONITORS = 1_000
LIMIT_S = 60.0


async def measure(run: Run) -> list[Figure]:
    """Seconds from `up` to ready; from ready until 1,000 monitors were each checked again."""
    del run
    async with programs.controlled("bench.target") as target, fresh_installation() as installed:
        await begin(installed, target)
        await grown(installed, MONITORS)
        await asyncio.sleep(INTERVAL_S)
        await installed.stop()
        await target.get("/reset")
        start_s = await installed.start()
        again_s = await _all_checked(target, time.time())
    return [
        Figure(name="P10a", what="up to ready", value=start_s, unit="s", goal=3),
        Figure(
            name="P10b", what="ready to all of 1,000 monitors (20 s) checked again", value=again_s, unit="s",
            goal=INTERVAL_S + 2,
        ),
    ]  # fmt: skip


async def _all_checked(target: ControlledProgram, ready_s: float) -> float | None:
    """Seconds after `ready_s` at which the last of them had its first check; None when not all had one in time."""
    while time.time() < ready_s + LIMIT_S:
        await asyncio.sleep(1)
        log = msgspec.json.decode(await target.get("/log"), type=Log)
        first = dict(zip(reversed(log.numbers), reversed(log.at_ms), strict=True))
        if len(first) >= MONITORS:
            return max(first.values()) / 1000 - ready_s
    return None
