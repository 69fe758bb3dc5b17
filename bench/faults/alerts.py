"""R1 and R4 together: processes are killed at random while receivers change their modes. Nothing is lost or doubled.

Three receivers of webhooks: a program that always answers must get every true transition once. A channel that always
answers gets the same, except for outages that ended before a killed worker's successor sent them: those come with their
recovery. Another channel fails, hangs, answers too late, refuses and asks to retry later between kills; the same rules
apply to it, once it is repaired and resumed.

Two channels have several recipients, e-mail and Signal: they refuse some recipients, for now or for good, and answer
too late. Every recipient must get every true transition once (`bench.faults.recipients`).
"""

import asyncio
import random
import time
from collections import Counter

import msgspec

from bench import faulty_receiver, faulty_recipients, programs
from bench.faults import kill
from bench.faults.flips import INTERVAL_S
from bench.faults.options import Options
from bench.faults.oracle import Verdict
from bench.faults.recipients import unexplained_repeats
from bench.faults.report import Report
from bench.faults.scene import ALERT_EVENTS, Scene, scene
from bench.faults.shared_channels import SharedChannels, shared_channels
from bench.figure import percentile
from bench.programs import ControlledProgram

PATIENT, QUICK = 150, 50
FAULTY = "faulty"
KILLS = 0.7  # of the rounds; the others change a mode
NOT_DRAINED = "deliveries were still open long after the last fault"


class Faults:
    """What is done to a run, and what was done."""

    def __init__(self, stage: Scene, failing: ControlledProgram, shared: SharedChannels, seed: int) -> None:
        self._stage, self._failing, self._shared = stage, failing, shared
        self._chance = random.Random(seed)
        self.injected = Counter[str]()
        self.kills_ms: list[float] = []  # when a worker was killed

    async def begin(self) -> None:
        """Receivers with several recipients fail from the beginning: a short run has few rounds."""
        names = list(self._shared.receivers)
        self._chance.shuffle(names)
        for name, mode in zip(names, faulty_recipients.FAILING, strict=True):
            await self._shared.become(name, mode)
            self.injected[f"{name} {mode}"] += 1

    async def injure(self) -> None:
        """One fault, after a pause."""
        await asyncio.sleep(self._chance.uniform(*kill.PAUSE_S))
        if self._chance.random() < KILLS:
            role = kill.one(self._stage, self._chance)
            if role == "worker":
                self.kills_ms.append(time.time() * 1000)
            self.injected[f"kill -9 {role}"] += 1
            return
        name = self._chance.choice([FAULTY, *self._shared.receivers])
        mode = self._chance.choice(faulty_receiver.MODES if name == FAULTY else faulty_recipients.MODES)
        await self._become(name, mode)
        self.injected[f"{name} {mode}"] += 1

    async def _become(self, name: str, mode: str) -> None:
        if name == FAULTY:
            await self._failing.get(f"/mode/{mode}")
        else:
            await self._shared.become(name, mode)

    async def repair(self) -> None:
        """Every receiver works again, and its channel is resumed."""
        for name in (FAULTY, *self._shared.receivers):
            await self._become(name, "ok")
            await self._stage.resume(name)


async def run(options: Options) -> Report:
    """Run the rounds; then every alert must be sent once to everybody."""
    async with (
        scene(PATIENT, QUICK, options.seed, options.environ) as stage,
        programs.controlled("bench.faulty_receiver") as failing,
        shared_channels(options.seed) as shared,
    ):
        delivery_port = msgspec.json.decode(await failing.get("/delivery-port"))["port"]
        stage.listeners[FAULTY] = failing
        faults = Faults(stage, failing, shared, options.seed)
        await stage.begin({FAULTY: f"http://127.0.0.1:{delivery_port}/hook"}, await shared.drafts())
        await faults.begin()
        stage.flips.go()
        for number in range(options.rounds):
            if options.rounds < kill.FEW and number == options.rounds // 2:
                await stage.flips.flip_some(0.5)
            await faults.injure()
        if options.rounds < kill.FEW:
            await asyncio.sleep(2 * INTERVAL_S)  # until most of what was flipped is alerted
        await faults.repair()
        drained = await stage.drained()
        verdict = (await stage.verdict()).plus(await stage.verdict_of(FAULTY))
        for name in stage.listeners:
            repeats = unexplained_repeats(await stage.deliveries(name), faults.kills_ms)
            verdict = verdict.plus(Verdict(doubled=repeats).of(name))
        report = Report(
            name=f"R1 and R4, alerts on {'PostgreSQL' if options.cluster else 'SQLite'}",
            rounds=options.rounds,
            injected=dict(faults.injected),
            verdict=verdict.plus(await shared.verdict(stage, faults.kills_ms)),
            unchecked=await stage.unchecked(),
            history=await stage.history(),
            troubles=[*([] if drained else [NOT_DRAINED]), *await shared.troubles()],
            notes=[await _note(stage), *await shared.notes()],
        )
        if not report.holds:
            await stage.save()
        return report


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
