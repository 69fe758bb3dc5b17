"""The log is removed, or its disk is full. Checks and alerts go on."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.faults.database import fill
from bench.faults.world.scenario import Scenario
from bench.faults.world.stage import World

HOLD_S = 12.0
FULL = Path("/dev/full")  # every write to it fails as on a full disk


def scenarios() -> list[Scenario]:
    """Gone for a while, gone for good, full."""
    return [
        Scenario(name="log directory gone for a while", fault=_gone, hold_s=HOLD_S, endures=True, is_short=True),
        Scenario(name="log directory gone for good", fault=_gone_for_good, hold_s=HOLD_S, endures=True),
        Scenario(name="log's disk full", fault=_full, hold_s=HOLD_S, endures=True),
    ]


@asynccontextmanager
async def _gone(world: World) -> AsyncIterator[None]:
    async with _gone_for_good(world):
        yield
    _logs(world).mkdir(exist_ok=True)


@asynccontextmanager
async def _gone_for_good(world: World) -> AsyncIterator[None]:
    shutil.rmtree(_logs(world))
    yield


@asynccontextmanager
async def _full(world: World) -> AsyncIterator[None]:
    """A disk of its own without room, over the directory; where none may be mounted, a file that can't be written."""
    folder = _logs(world)
    folder.mkdir(exist_ok=True)
    log, is_mounted = folder / "watchkeeper.log", _mounted(folder)
    if is_mounted:
        await asyncio.to_thread(fill, folder / "ballast")
        world.notes.append("a full disk of its own")
    else:
        log.unlink(missing_ok=True)
        log.symlink_to(FULL)
        world.notes.append(f"{FULL} in place of the file: no disk may be mounted here")
    try:
        yield
    finally:
        if is_mounted:
            await asyncio.to_thread(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
        elif log.is_symlink():
            log.unlink()


def _mounted(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def _logs(world: World) -> Path:
    return world.data / "logs"
