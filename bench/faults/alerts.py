"""R1 and R4 together: processes are killed at random while one channel changes its mood. Nothing is lost or doubled.

Two webhooks are told of everything. One always answers: what it hears must be every true transition, once. The other
fails, hangs, refuses and asks for patience between kills: it must hear the same, but for outages that were over before
it could be told, which it hears of with their recovery.
"""

import asyncio
import random
from collections import Counter

import msgspec

from bench import side
from bench.faults import kill, oracle
from bench.faults.oracle import Verdict
from bench.faults.report import Report
from bench.faults.scene import TOLD, Scene, facts_of, scene
from bench.faults.setting import Setting
from bench.figure import percentile
from bench.moody import MOODS
from bench.receiver import Told
from bench.side import Side
from bench.target import PASS

PATIENT, QUICK = 150, 50
MOODY = "moody"
KILLS = 0.7  # of the rounds; the others change the mood


async def run(setting: Setting) -> Report:
    """So many rounds; then everything must be told, once, to both."""
    chance, injected = random.Random(setting.seed), Counter[str]()
    async with (
        scene(PATIENT, QUICK, setting.seed, setting.environ) as stage,
        side.side("bench.moody") as moody,
    ):
        door = msgspec.json.decode(await moody.ask("/door"))["port"]
        await stage.begin({MOODY: f"http://127.0.0.1:{door}/hook"})
        stage.flips.go()
        for number in range(setting.rounds):
            await asyncio.sleep(chance.uniform(*kill.PAUSE_S))
            if setting.rounds < kill.FEW and number == setting.rounds // 2:
                await stage.flips.flip_some(0.5)
            injected[await _injure(stage, moody, chance)] += 1
        await moody.ask("/mood/ok")
        drained = await stage.drained()
        report = Report(
            name=f"R1 and R4, alerts on {'PostgreSQL' if setting.cluster else 'SQLite'}",
            rounds=setting.rounds,
            injected=dict(injected),
            verdict=(await stage.verdict()).plus(await _heard(stage, moody)),
            unchecked=await stage.unchecked(),
            history=await stage.history(),
            troubles=[] if drained else ["deliveries were still open long after the last fault"],
            notes=[await _note(stage, moody)],
        )
        if not report.holds:
            stage.keep_logs()
        return report


async def _injure(stage: Scene, moody: Side, chance: random.Random) -> str:
    """One fault; returns what it was."""
    if chance.random() < KILLS:
        return f"kill -9 {kill.one(stage, chance)}"
    mood = chance.choice(MOODS)
    await moody.ask(f"/mood/{mood}")
    return f"channel {mood}"


async def _heard(stage: Scene, moody: Side) -> Verdict:
    """What the moody one heard, compared with what was true and with what is stored."""
    told = [one for one in await _told(moody) if one.event in TOLD]
    facts, log, verdict = facts_of(told), await stage.log(), Verdict()
    for number in stage.flips.patient:
        switches = [(at_ms, how == PASS) for one, at_ms, how in log.switches if one == number]
        name = f"t-{number}"
        verdict = verdict.plus(oracle.collapsed(name, oracle.plateaus(switches), facts.get(name, [])))
    stored, collapsed = await stage.stored(MOODY), await stage.stored(MOODY, "suppressed")
    verdict = verdict.plus(oracle.delivered(stored, [one.id for one in told], collapsed))
    lost, doubled, invented = (
        [f"{MOODY}: {line}" for line in found] for found in (verdict.lost, verdict.doubled, verdict.invented)
    )
    return Verdict(verdict.transitions, lost, doubled, invented, verdict.repeats)


async def _told(side_: Side) -> list[Told]:
    return msgspec.json.decode(await side_.ask("/log"), type=list[Told])


async def _note(stage: Scene, moody: Side) -> str:
    """How soon the channel that always answers heard, beside the one that did not; from the slot to the arrival."""
    parts = [
        f"{name} p50 {percentile(waits, 0.5):.0f} ms, p99 {percentile(waits, 0.99):.0f} ms"
        for name, told in (("steady", await stage.told()), (MOODY, await _told(moody)))
        if (waits := sorted(one.arrived_ms - one.at_ms for one in told if one.event in TOLD))
    ]
    collapsed = len(await stage.stored(MOODY, "suppressed"))
    return f"slot to arrival: {'; '.join(parts)}; told together with their recovery: {collapsed}"
