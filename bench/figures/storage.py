"""P7: bytes a heartbeat takes on disk, bytes a day takes once only rollups remain, bytes written for each check."""

import time

from app import db
from app.store.history import rollups
from app.store.tables.rollups import DAY_MS, HOUR_MS
from bench import filling, programs, record
from bench.figure import Figure
from bench.installation import fresh_installation
from bench.run import Run
from bench.sweep import FEW, MANY, begin, sweep


async def measure(run: Run) -> list[Figure]:
    """Growth of the file by heartbeats, by rollups, and bytes written by every process in the sweep."""
    beat_bytes, beats, rate = await run.once("heartbeats", _heartbeats)
    day_bytes, days = await run.once("rollups", _rollups)
    many = (await sweep(run)).at[MANY]
    note = f"{beats:,} heartbeats of {FEW:,} monitors, absorbed at {rate:,.0f}/s"
    return [
        Figure(name="P7a", what="bytes per heartbeat on disk", value=beat_bytes, unit="B", goal=30, note=note),
        Figure(
            name="P7b", what="bytes per monitor and day as rollups", value=day_bytes, unit="B", goal=1_000,
            note=f"24 hours and a day each, of {days} monitors at 20 s",
        ),
        Figure(
            name="P7c", what="bytes written per check", value=many.written_bytes / many.checks, unit="B", goal=8_000,
            note="10,000 monitors at 20 s, every process",
        ),
    ]  # fmt: skip


async def _heartbeats(run: Run) -> tuple[float, int, float]:
    """Bytes per heartbeat, how many, and how many per second."""
    slots = 100 if run.quick else 500
    async with programs.controlled("bench.target") as target, fresh_installation() as installed:
        await begin(installed, target)
        async with record.record(installed):
            await record.clone(await record.monitor_id("t-0"), range(1, FEW))
            series = sorted(await record.numbers())
            before, began = await filling.checkpointed_bytes(), time.perf_counter()
            count = await filling.fill(series, int(time.time() * 1000) - slots * filling.INTERVAL_MS, slots)
            took_s = time.perf_counter() - began
            return (await filling.checkpointed_bytes() - before) / count, count, count / took_s


async def _rollups(run: Run) -> tuple[float, int]:
    """Bytes that one UTC day of a monitor takes in rollups, and of how many monitors."""
    size, day_ms = 20 if run.quick else 60, (int(time.time() * 1000) // DAY_MS - 2) * DAY_MS
    async with programs.controlled("bench.target") as target, fresh_installation() as installed:
        await begin(installed, target)
        async with record.record(installed):
            await record.clone(await record.monitor_id("t-0"), range(1, size))
            await db.rows("UPDATE schedule_periods SET from_ms = ?1", day_ms)
            await filling.fill(sorted(await record.numbers()), day_ms, DAY_MS // filling.INTERVAL_MS)
            before = await filling.checkpointed_bytes()
            for hour_ms in range(day_ms, day_ms + DAY_MS, HOUR_MS):
                await rollups.roll_hour(hour_ms)
            await rollups.roll_day(day_ms)
            return (await filling.checkpointed_bytes() - before) / size, size
