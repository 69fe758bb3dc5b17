"""R2: Redis emptied, stopped, slow. People and programs must not notice more than a pause."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator

from redis.asyncio import Redis

from app import settings
from bench.faults.api_user import ApiUser
from bench.faults.flips import LONGEST_S
from bench.faults.listener import Listener
from bench.faults.options import Options
from bench.faults.report import Report
from bench.faults.scene import Scene, scene

PATIENT, QUICK = 60, 20
WORK_S = 12.0  # of ordinary life between faults
SLOW_STOP_S, SLOW_GO_S = 0.15, 0.05


async def run(options: Options) -> Report:
    """Three faults, each followed by a return to ordinary life."""
    troubles: list[str] = []
    async with scene(PATIENT, QUICK, options.seed, options.environ) as stage:
        await stage.begin()
        async with Listener(stage.installation) as listener, ApiUser(stage.installation) as api_user:
            for name, fault in (("emptied", _emptied), ("stopped", _stopped), ("slow", _slow)):
                stage.flips.go()
                await asyncio.sleep(WORK_S)
                await stage.flips.rest()
                await stage.flips.flip_some(0.5)
                began_ms = time.time() * 1000
                await fault(stage, options)
                stage.outage(began_ms)
                troubles += await _recovered(name, stage, listener)
        drained = await stage.drained()
        troubles += api_user.troubles() + ([] if drained else ["deliveries were still open long after the last fault"])
        report = Report(
            name="R2 Redis",
            rounds=1,
            injected={"emptied": 1, f"stopped for {options.outage_s:g} s": 1, "slow": 1},
            verdict=await stage.verdict(),
            unchecked=await stage.unchecked(),
            history=await stage.history(),
            troubles=troubles,
            notes=[api_user.note(), f"WebSocket: {listener.frames} frames over {listener.connections} connections"],
        )
        if not report.holds:
            await stage.save()
        return report


async def _recovered(name: str, stage: Scene, listener: Listener) -> list[str]:
    """After a fault every monitor is checked, and live frames flow, within the time a monitor may stay unchecked."""
    received = asyncio.create_task(listener.receives(LONGEST_S))
    checked = await stage.checked(LONGEST_S, since_ms=time.time() * 1000)
    troubles = [] if checked else [f"{name}: not every monitor was checked within {LONGEST_S} s after"]
    return troubles + ([] if await received else [f"{name}: no live frame within {LONGEST_S} s after"])


async def _emptied(stage: Scene, options: Options) -> None:
    del options
    client = Redis.from_url(settings.read_settings(stage.installation.environ, stage.installation.folder).redis_url)
    await client.flushall()
    await client.aclose()


async def _stopped(stage: Scene, options: Options) -> None:
    with _halted(stage):
        await asyncio.sleep(options.outage_s)


async def _slow(stage: Scene, options: Options) -> None:
    """Awake a quarter of the time: every answer takes up to 150 ms."""
    until = time.monotonic() + options.outage_s / 2
    while time.monotonic() < until:
        with _halted(stage):
            await asyncio.sleep(SLOW_STOP_S)
        await asyncio.sleep(SLOW_GO_S)


@contextlib.contextmanager
def _halted(stage: Scene) -> Iterator[None]:
    """Valkey is there and does nothing, as a process on a machine that swaps."""
    pids = [process.pid for process in stage.installation.family() if process.role == "valkey"]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
