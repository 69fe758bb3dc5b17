"""R3: the database is locked, the disk is full (SQLite); the database is stopped (PostgreSQL)."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app import settings
from bench.faults.api_user import ApiUser
from bench.faults.flips import LONGEST_S
from bench.faults.options import Options
from bench.faults.report import Report
from bench.faults.scene import Scene, scene

PATIENT, QUICK = 60, 0
WORK_S = 12.0
DISK_MB = 96  # of the small disk that will be full

Fault = Callable[[Scene, Options], Awaitable[None]]


async def run(options: Options) -> list[Report]:
    """Each fault in an installation of its own."""
    if options.cluster is not None:
        return [await _under("R3 database stopped", _stopped, options, None)]
    reports = [await _under("R3 database locked", _locked, options, None)]
    if os.geteuid() != 0:
        return reports  # only root may make a small disk to fill
    with small_disk() as folder:
        return [*reports, await _under("R3 disk full", _full, options, folder)]


async def _under(name: str, fault: Fault, options: Options, folder: Path | None) -> Report:
    """Ordinary life, half the targets flip, the fault, ordinary life again."""
    troubles: list[str] = []
    readable = ("200",) if options.cluster is None else ("200", "503")  # a locked file can still be read
    async with scene(PATIENT, QUICK, options.seed, options.environ, folder) as stage:
        await stage.begin()
        stage.flips.go()
        await asyncio.sleep(WORK_S)
        await stage.flips.rest()
        async with ApiUser(stage.installation) as api_user:
            await stage.flips.flip_some(0.5)
            began_ms = time.time() * 1000
            await fault(stage, options)
            stage.outage(began_ms)
            if not await stage.checked(LONGEST_S, since_ms=time.time() * 1000):
                troubles.append(f"not every monitor was checked within {LONGEST_S} s after")
        drained = await stage.drained()
        troubles += api_user.troubles(readable, ("201", "503")) + (
            [] if drained else ["deliveries were still open long after"]
        )
        report = Report(
            name=name,
            rounds=1,
            injected={name.removeprefix("R3 "): 1},
            verdict=await stage.verdict(),
            unchecked=await stage.unchecked(),
            history=await stage.history(),
            wasted=await stage.wasted(),
            troubles=troubles,
            notes=[api_user.note()],
        )
        if not report.holds:
            await stage.save()
        return report


async def _locked(stage: Scene, options: Options) -> None:
    """Somebody else holds the write lock."""
    path = settings.read_settings(stage.installation.environ, stage.installation.folder).db_path
    intruder = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        intruder.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(options.lock_s)
        intruder.execute("ROLLBACK")
    finally:
        intruder.close()


async def _stopped(stage: Scene, options: Options) -> None:
    """PostgreSQL goes away and comes back."""
    del stage
    assert options.cluster is not None
    await options.cluster.stop()
    await asyncio.sleep(options.outage_s)
    await options.cluster.start()


async def _full(stage: Scene, options: Options) -> None:
    """Nothing more fits on the disk; then there is room again."""
    ballast = stage.installation.folder / "ballast"
    await asyncio.to_thread(fill, ballast)
    await asyncio.sleep(options.lock_s)
    ballast.unlink()


def fill(ballast: Path) -> None:
    """Write until nothing fits, then let nothing go to waste: what others free is taken, too."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                continue


@contextmanager
def small_disk() -> Iterator[Path]:
    """A disk of a few megabytes, gone after the block."""
    folder = Path(tempfile.mkdtemp(prefix="wk-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        shutil.rmtree(folder, ignore_errors=True)
