"""The wall clock jumps ahead and is put right; the monotonic one does not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec.structs import replace

from bench.faults.world.scenario import Fault, Scenario
from bench.faults.world.stage import World

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
HOLD_S = 16.0


def scenarios() -> list[Scenario]:
    """Ahead and back. After two minutes the heartbeats from the future lie in the present: targets flip again then."""
    every = [
        Scenario(name="clock 1 h ahead and back", fault=_ahead(HOUR), is_short=True),
        Scenario(name="clock 1 h ahead, put right while off", fault=_ahead_until_off),
        Scenario(name="clock 2 min ahead and back", fault=_ahead(2 * MINUTE), encore_after_s=2 * MINUTE),
        Scenario(name="clock 30 d ahead and back", fault=_ahead(30 * DAY)),
    ]
    return [replace(one, hold_s=HOLD_S, endures=True, says="system.clock") for one in every]


def _ahead(offset_s: float) -> Fault:
    @asynccontextmanager
    async def fault(world: World) -> AsyncIterator[None]:
        async with world.clock.ahead(offset_s):
            yield

    return fault


@asynccontextmanager
async def _ahead_until_off(world: World) -> AsyncIterator[None]:
    """As after a start with a wrong hardware clock, and another start."""
    async with world.clock.ahead(HOUR):
        yield
        await world.scene.ground.crash()
    await world.scene.ground.start()
