"""One installation for many faults: the flips around each, and their results."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from msgspec import Struct

from bench import programs
from bench.faults import standstill
from bench.faults.alerts import FAULTY
from bench.faults.options import Options
from bench.faults.oracle import Verdict
from bench.faults.postgres import Cluster
from bench.faults.scene import ALERT_EVENTS, CHANNEL, PROGRAM, Scene, scene
from bench.faults.standstill import Stretch
from bench.faults.world.clock import Clock
from bench.faults.world.health import HealthWatch
from bench.receiver import Delivery

PATIENT, SLOW = 24, 8
EVERYBODY = (PROGRAM, CHANNEL, FAULTY)
GROUP = 3  # targets that flip at one moment
LOOK_S = 0.25
WELL_S = 60.0  # after a fault everything must be checked and alerted again within this


class Flip(Struct, frozen=True):
    """A target that changed its mind, and until when that must be alerted."""

    number: int
    at_ms: float
    up: bool


class Tally(Struct, frozen=True):
    """What was found up to a moment."""

    verdict: Verdict
    unchecked: int


class World:
    """A scene, its clock, who watches its health, and the flips that were made.

    punctual    who must be alerted within a minute: all, unless a channel is made to fail
    """

    def __init__(self, scene: Scene, clock: Clock, health: HealthWatch, options: Options) -> None:
        self.scene, self.clock, self.health, self.options = scene, clock, health, options
        self.chance = random.Random(options.seed)
        self.flips: list[Flip] = []
        self.troubles: list[str] = []
        self.notes: list[str] = []
        self.punctual: Sequence[str] = EVERYBODY
        self._turn = cycle(self.chance.sample(list(scene.flips.patient), len(scene.flips.patient)))

    @property
    def cluster(self) -> Cluster:
        """The PostgreSQL of this installation."""
        assert self.options.cluster is not None
        return self.options.cluster

    @property
    def data(self) -> Path:
        """Its data directory."""
        return Path(self.scene.installation.environ["DATA_DIR"])

    async def flip(self, many: int = GROUP) -> list[Flip]:
        """Let some targets change their mind, those first that have not for the longest time."""
        flips = []
        for _ in range(many):
            number = next(self._turn)
            await self.scene.flips.flip(number)
            flips.append(Flip(number, time.time() * 1000, self.scene.flips.is_up(number)))
        self.flips += flips
        return flips

    async def well(
        self, flips: Collection[Flip], since_ms: float, within_s: float = WELL_S, names: Collection[str] = ()
    ) -> float | None:
        """Wait until every monitor was checked after `since_ms`, and every channel was alerted of the flips.

        names    instead of those who are punctual
        returns  the seconds that took; None when time ran out, which is a trouble
        """
        began = time.monotonic()
        while True:
            missing = [*await self._left_alone(since_ms), *await self._silent(flips, names or self.punctual)]
            if not missing:
                return time.monotonic() - began
            if time.monotonic() > began + within_s:
                self.troubles.append(f"not within {within_s:.0f} s: {'; '.join(missing)}")
                return None
            await asyncio.sleep(LOOK_S)

    async def _left_alone(self, since_ms: float) -> list[str]:
        log = await self.scene.log()
        requested = {number for number, at_ms in zip(log.numbers, log.at_ms, strict=True) if at_ms >= since_ms}
        alone = sorted(set(self.scene.numbers) - requested)
        return [f"{len(alone)} of {len(self.scene.numbers)} targets not asked"] if alone else []

    async def _silent(self, flips: Collection[Flip], names: Collection[str]) -> list[str]:
        silent = []
        for name in names:
            arrived = await self.scene.deliveries(name)
            open_ones = [flip for flip in flips if arrival_ms(flip, arrived) is None]
            if open_ones:
                silent.append(f"{name} not alerted of {len(open_ones)} of {len(flips)} flips")
        return silent

    async def tally(self) -> Tally:
        """Everything so far."""
        verdict = await self.scene.verdict()
        return Tally(verdict.plus(await self.scene.verdict_of(FAULTY)), await self.scene.unchecked())

    async def mode(self, mode: str) -> None:
        """How the faulty channel takes what it is sent from now on."""
        await self.scene.listeners[FAULTY].get(f"/mode/{mode}")

    async def unnoticed(self, since_ms: float) -> list[str]:
        """Standstills of checks or alerts since then that health did not report."""
        window = (since_ms, time.time() * 1000)
        log = await self.scene.log()
        requested: dict[int, list[float]] = {number: [] for number in self.scene.numbers}
        for number, at_ms in zip(log.numbers, log.at_ms, strict=True):
            requested[number].append(at_ms)
        stretches = [
            one for number in requested for one in standstill.between(f"t-{number}", requested[number], window)
        ]
        arrived = {name: await self.scene.deliveries(name) for name in (PROGRAM, CHANNEL)}
        for flip in self.flips:
            if flip.at_ms >= since_ms:
                stretches += [_wait(flip, name, arrived[name], window[1]) for name in arrived]
        return standstill.unnoticed(stretches, self.health.samples)

    async def require_event(self, kind: str, since_ms: float) -> None:
        """Wait until the product has alerted of a trouble of its own. One that lasts is not alerted again."""
        until = time.monotonic() + WELL_S
        while kind not in await self.system_events(self.scene.began_ms):
            if time.monotonic() > until:
                self.troubles.append(f"no event {kind}")
                break
            await asyncio.sleep(LOOK_S)
        statuses = {one.status for one in self.health.samples if one.at_ms >= since_ms}
        if statuses <= {standstill.HEALTHY}:
            self.troubles.append(f"/health said {standstill.HEALTHY} all the time")

    async def system_events(self, since_ms: float) -> list[str]:
        """The health that the product reported since then."""
        arrived = await self.scene.deliveries(CHANNEL)
        return [one.event for one in arrived if one.event.startswith("system.") and one.arrived_ms >= since_ms]


def arrival_ms(flip: Flip, arrived: Iterable[Delivery]) -> float | None:
    """When a flip was first alerted; None when it was not."""
    kind, name = ALERT_EVENTS[flip.up], f"t-{flip.number}"
    times = [one.arrived_ms for one in arrived if one.event == kind and one.name == name]
    return min((at_ms for at_ms in times if at_ms >= flip.at_ms), default=None)


def _wait(flip: Flip, name: str, arrived: Iterable[Delivery], now_ms: float) -> Stretch:
    return Stretch(f"the alert of t-{flip.number} to {name}", flip.at_ms, arrival_ms(flip, arrived) or now_ms)


@asynccontextmanager
async def world(options: Options) -> AsyncIterator[World]:
    """A fresh installation, started, with a monitor for each target; everything ends with the block."""
    if options.cluster is not None:
        await options.cluster.renew()
    with TemporaryDirectory(prefix="wk-clock-") as folder:
        clock = Clock(Path(folder))
        environ = {**options.environ, **clock.environ, "LOG_LEVEL": "info"}
        async with (
            scene(PATIENT, 0, options.seed, environ, slow=SLOW) as stage,
            programs.controlled("bench.faulty_receiver") as faulty,
            HealthWatch(stage.installation) as health,
        ):
            stage.shifts, stage.listeners[FAULTY] = clock.shifts, faulty
            delivery_port = msgspec.json.decode(await faulty.get("/delivery-port"))["port"]
            await stage.begin({FAULTY: f"http://127.0.0.1:{delivery_port}/hook"})
            yield World(stage, clock, health, options)
