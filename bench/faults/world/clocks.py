"""The wall clock jumps ahead and is put right; the monotonic one does not."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec.structs import replace

from bench.faults.alerts import FAULTY
from bench.faults.scene import CHANNEL, DRAIN_S, PROGRAM
from bench.faults.world.scenario import Fault, Scenario
from bench.faults.world.stage import EVERYBODY, World

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
HOLD_S = 16.0
SENT_MS = 60_000.0  # before the jump: what the channel that fails was sent by then


def scenarios() -> list[Scenario]:
    """Ahead and back. After two minutes the heartbeats from the future lie in the present: targets flip again then."""
    every = [
        Scenario(name="clock 1 h ahead and back", fault=_ahead(HOUR), is_short=True),
        Scenario(name="clock 1 h ahead, put right while off", fault=_ahead_until_off),
        Scenario(name="clock 2 min ahead and back", fault=_ahead(2 * MINUTE), encore_after_s=2 * MINUTE),
        Scenario(
            name="clock 30 d ahead and back, while a channel fails",
            fault=_ahead_while_a_channel_fails,
            afterwards=_caught_up,
        ),
    ]
    return [replace(one, hold_s=HOLD_S, endures=True, says="system.clock") for one in every]


def _ahead(offset_s: float) -> Fault:
    @asynccontextmanager
    async def fault(world: World) -> AsyncIterator[None]:
        async with world.clock.ahead(offset_s):
            yield

    return fault


@asynccontextmanager
async def _ahead_while_a_channel_fails(world: World) -> AsyncIterator[None]:
    """Alerts are waiting when the clock jumps over the day after which they would be given up."""
    world.punctual = (PROGRAM, CHANNEL)
    await world.mode("fails")
    now_ms = time.time() * 1000
    await world.well(await world.flip(1), now_ms)  # the faulty one was sent it as well by then, and took nothing
    async with world.clock.ahead(30 * DAY):
        yield
    await world.mode("ok")


async def _caught_up(world: World) -> None:
    """Whatever the channel did not take meanwhile comes by itself; pauses after failures may be a minute long."""
    flips = [flip for flip in world.flips if flip.at_ms >= world.clock.shifts[-1].from_ms - SENT_MS]
    took_s = await world.well(flips, flips[0].at_ms, DRAIN_S, [FAULTY])
    world.punctual = EVERYBODY
    world.notes.append("the channel that failed has " + ("not all" if took_s is None else f"all {took_s:.0f} s later"))


@asynccontextmanager
async def _ahead_until_off(world: World) -> AsyncIterator[None]:
    """As after a start with a wrong hardware clock, and another start."""
    async with world.clock.ahead(HOUR):
        yield
        await world.scene.installation.crash()
    await world.scene.installation.start()
