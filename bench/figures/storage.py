"""P7: bytes a heartbeat takes on disk, and bytes written for each check."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

from app import db
from app.store import heartbeats
from bench import record, side
from bench.figure import Figure
from bench.ground import ground
from bench.run import Run
from bench.sweep import FEW, MANY, begin, sweep
from schema.jobs import Outcome, ResultBatch
from schema.monitors import Snapshot
from schema.status import Status
from schema.targets import Http

BATCH = 100  # as the workers flush them
INTERVAL_MS = 20_000


async def measure(run: Run) -> list[Figure]:
    """Growth of the file by heartbeats stored as in production: in order of time, many series side by side."""
    slots = 100 if run.quick else 500
    stored_bytes, rate = await run.once("heartbeats", lambda _: _store(slots))
    many = (await sweep(run)).at[MANY]
    note = f"{FEW * slots:,} heartbeats of {FEW:,} monitors, absorbed at {rate:,.0f}/s"
    return [
        Figure(name="P7a", what="bytes per heartbeat on disk", value=stored_bytes, unit="B", goal=30, note=note),
        Figure(name="P7b", what="bytes per monitor and day as rollups", unit="B", goal=1_000),
        Figure(
            name="P7c", what="bytes written per check", value=many.written_bytes / many.checks, unit="B", goal=8_000,
            note="10,000 monitors at 20 s, every process",
        ),
    ]  # fmt: skip


async def _store(slots: int) -> tuple[float, float]:
    """Bytes per heartbeat and heartbeats per second."""
    async with side.side("bench.target") as target, ground() as installed:
        await begin(installed, target)
        async with record.record(installed):
            await record.clone(await record.monitor_id("t-0"), range(1, FEW))
            path = Path(db.engine().path)
            series = sorted(await record.numbers())
            before, began = await _settled_bytes(path), time.perf_counter()
            for batch in _batches(series, slots):
                await heartbeats.absorb(batch, {one.series: _snapshot(one.series) for one in batch.outcomes}, 0)
            took_s = time.perf_counter() - began
            count = len(series) * slots
            return (await _settled_bytes(path) - before) / count, count / took_s


async def _settled_bytes(path: Path) -> int:
    """Size of the database file with nothing left in its log."""
    await db.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    return record.size_bytes(path)


def _batches(series: list[int], slots: int) -> Iterator[ResultBatch]:
    chance = random.Random(7)
    began_ms = int(time.time() * 1000) - slots * INTERVAL_MS
    for slot in range(slots):
        for start in range(0, len(series), BATCH):
            at_ms = began_ms + slot * INTERVAL_MS + start * INTERVAL_MS // len(series)
            yield ResultBatch([_outcome(no, at_ms, chance) for no in series[start : start + BATCH]])


def _outcome(series: int, at_ms: int, chance: random.Random) -> Outcome:
    took_us = int(chance.lognormvariate(10, 1))
    return Outcome(series, 1, at_ms, Status.UP, began_ms=at_ms + 20, took_us=took_us, code=200)


def _snapshot(series: int) -> Snapshot:
    target = Http(url="http://127.0.0.1/")
    return Snapshot(series, 1, f"m-{series}", f"t-{series}", target, INTERVAL_MS, 16_000, INTERVAL_MS, 0, 0, False)
