"""R1 and R4 together: processes are killed at random while one channel changes its mode. Nothing is lost or doubled.

Three receivers: a program that always answers must get every true transition once. A channel that always answers
gets the same, except for outages that ended before a killed worker's successor sent them: those come with their
recovery. Another channel fails, hangs, refuses and asks to retry later between kills; the same rules apply to it, once
it is repaired and resumed.
"""

import asyncio
import random
from collections import Counter

import msgspec

from bench import programs
from bench.faults import kill
from bench.faults.options import Options
from bench.faults.report import Report
from bench.faults.scene import ALERT_EVENTS, Scene, scene
from bench.faulty_receiver import MODES
from bench.figure import percentile
from bench.programs import ControlledProgram

PATIENT, QUICK = 150, 50
FAULTY = "faulty"
KILLS = 0.7  # of the rounds; the others change the mode


async def run(options: Options) -> Report:
    """Run the rounds; then every alert must be sent once to both."""
    chance, injected = random.Random(options.seed), Counter[str]()
    async with (
        scene(PATIENT, QUICK, options.seed, options.environ) as stage,
        programs.controlled("bench.faulty_receiver") as failing,
    ):
        delivery_port = msgspec.json.decode(await failing.get("/delivery-port"))["port"]
        stage.listeners[FAULTY] = failing
        await stage.begin({FAULTY: f"http://127.0.0.1:{delivery_port}/hook"})
        stage.flips.go()
        for number in range(options.rounds):
            await asyncio.sleep(chance.uniform(*kill.PAUSE_S))
            if options.rounds < kill.FEW and number == options.rounds // 2:
                await stage.flips.flip_some(0.5)
            injected[await _injure(stage, failing, chance)] += 1
        await failing.get("/mode/ok")
        await stage.resume(FAULTY)
        drained = await stage.drained()
        report = Report(
            name=f"R1 and R4, alerts on {'PostgreSQL' if options.cluster else 'SQLite'}",
            rounds=options.rounds,
            injected=dict(injected),
            verdict=(await stage.verdict()).plus(await stage.verdict_of(FAULTY)),
            unchecked=await stage.unchecked(),
            history=await stage.history(),
            troubles=[] if drained else ["deliveries were still open long after the last fault"],
            notes=[await _note(stage)],
        )
        if not report.holds:
            await stage.save()
        return report


async def _injure(stage: Scene, failing: ControlledProgram, chance: random.Random) -> str:
    """One fault; returns what it was."""
    if chance.random() < KILLS:
        return f"kill -9 {kill.one(stage, chance)}"
    mode = chance.choice(MODES)
    await failing.get(f"/mode/{mode}")
    return f"channel {mode}"


async def _note(stage: Scene) -> str:
    """How soon working receivers were notified beside the failing one; from the slot to the arrival."""
    parts = [
        f"{name} p50 {percentile(waits, 0.5):.0f} ms, p99 {percentile(waits, 0.99):.0f} ms, together with the recovery"
        f" {len(await stage.stored(name, 'suppressed'))}"
        for name in stage.listeners
        if (
            waits := sorted(
                one.arrived_ms - one.at_ms for one in await stage.deliveries(name) if one.event in ALERT_EVENTS
            )
        )
    ]
    return f"slot to arrival: {'; '.join(parts)}"
