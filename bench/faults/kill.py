"""R1: kill -9 of a random process of ours, again and again, while targets flip."""

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter

from bench.faults.options import Options
from bench.faults.report import Report
from bench.faults.scene import Scene, scene

ROLES = ("api", "scheduler", "worker", "valkey")
PAUSE_S = (0.5, 1.5)
PATIENT, QUICK = 200, 100
FEW = 20  # so few rounds are over before a patient target flips of itself


async def run(options: Options) -> Report:
    """Run the rounds; then every alert must be sent once, and the history complete."""
    chance, killed = random.Random(options.seed), Counter[str]()
    async with scene(PATIENT, QUICK, options.seed, options.environ) as stage:
        await stage.begin()
        stage.flips.go()
        for number in range(options.rounds):
            await asyncio.sleep(chance.uniform(*PAUSE_S))
            if options.rounds < FEW and number == options.rounds // 2:
                await stage.flips.flip_some(0.5)
            killed[one(stage, chance)] += 1
        drained = await stage.drained()
        report = Report(
            name="R1 kill -9",
            rounds=options.rounds,
            injected=dict(killed),
            verdict=await stage.verdict(),
            unchecked=await stage.unchecked(),
            history=await stage.history(),
            troubles=[] if drained else ["deliveries were still open long after the last kill"],
        )
        if not report.holds:
            await stage.save()
        return report


def one(stage: Scene, chance: random.Random) -> str:
    """Kill a process of a random part; returns which part, or "nobody" when that part was not running."""
    role = chance.choice(ROLES)
    living = [process.pid for process in stage.installation.family() if process.role == role]
    if not living:
        return f"{role} was not running"
    with contextlib.suppress(ProcessLookupError):
        os.kill(chance.choice(living), signal.SIGKILL)
    return role
