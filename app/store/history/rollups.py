"""Rollups: hours and days summed up from heartbeats. The work may be interrupted and repeated at any time.

An hour is rolled up once it has settled, and again an hour later, for late results. A day is summed up from its hours
after the last one. An hour whose heartbeats may have been pruned is never rolled up again: its data are gone.
Written as SQL: joins over JSON arrays.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence

from piccolo.query.functions import Min

from app import clock, db
from app.domain.history.rollup_codec import pack_tally, unpack_tally
from app.domain.history.uptime import Tally, TimedBeat, merge_tallies, tally_beats
from app.store.history import completeness
from app.store.system import checkpoints
from app.store.tables.monitors import SchedulePeriodRow
from app.store.tables.rollups import (
    DAILY,
    DAY_MS,
    HOUR_MS,
    HOURLY,
    SPAN_LENGTHS_MS,
    RollupRow,
    rollup_key,
    series_and_start_of,
)
from schema.heartbeats import EPOCH_MS, heartbeat_key, slot_of_key

SETTLE_MS = 600_000  # by then an hour's last results have arrived, unless the database was unavailable
BATCH = 10  # series: a few milliseconds, since the same process also schedules checks
PAUSE_S = 0.005  # between batches, for other tasks
MAX_HOURS = 24  # hours caught up in one call


async def advance(now_ms: int) -> int:
    """Roll up the hours that settled since the last call, at most `MAX_HOURS`.

    returns  how many hours
    """
    settled_ms = (now_ms - SETTLE_MS) // HOUR_MS * HOUR_MS
    checkpoint = await checkpoints.active_name(checkpoints.ROLLED, now_ms, settled_ms - HOUR_MS)
    from_ms = await checkpoints.get(checkpoint) or await _first_hour(now_ms)
    hours = range(from_ms, min(settled_ms, from_ms + MAX_HOURS * HOUR_MS), HOUR_MS)
    for hour_ms in hours:
        await roll_hour(hour_ms - HOUR_MS, now_ms, only_late=True)
        await roll_hour(hour_ms, now_ms)
        for day_ms in _days_touched(hour_ms):
            await roll_day(day_ms)
        await checkpoints.save(checkpoint, hour_ms + HOUR_MS)
    return len(hours)


async def _first_hour(now_ms: int) -> int:
    (row,) = await SchedulePeriodRow.select(Min(SchedulePeriodRow.from_ms, alias="first_ms"))
    return int(row["first_ms"] or now_ms) // HOUR_MS * HOUR_MS


def _days_touched(hour_ms: int) -> list[int]:
    """Starts of the days that this hour completes, or whose last hour was rolled up again."""
    return [end - DAY_MS for end in (hour_ms, hour_ms + HOUR_MS) if end % DAY_MS == 0]


async def roll_hour(hour_ms: int, now_ms: int | None = None, *, only_late: bool = False) -> None:
    """Roll up one hour of every series from its heartbeats. Repeating it changes nothing.

    only_late  skip series without new heartbeats since the last rollup; measured: a sixteenth of the work
    """
    now_ms = now_ms or clock.now_ms()
    if hour_ms + HOUR_MS <= await checkpoints.progress_ms(checkpoints.PRUNED, now_ms, now_ms):
        return
    window = range(hour_ms, hour_ms + HOUR_MS)
    async for numbers in completeness.series_batches(BATCH):
        due = await _stale_series(numbers, window) if only_late else numbers
        if due:
            await _store(HOURLY, hour_ms, await tally_window(due, window))
        await asyncio.sleep(PAUSE_S)


async def _stale_series(numbers: Sequence[int], window: range) -> list[int]:
    """The series whose hour has another number of heartbeats than its rollup."""
    rolled = await load(numbers, HOURLY, window)
    found = await db.rows(
        "SELECT CAST(each.value->>0 AS BIGINT) AS no, (SELECT count(*) FROM heartbeats h"
        " WHERE h.id >= CAST(each.value->>1 AS BIGINT) AND h.id < CAST(each.value->>2 AS BIGINT)) AS beats"
        " FROM {each:1}",
        json.dumps([(no, heartbeat_key(no, window.start), heartbeat_key(no, window.stop)) for no in numbers]),
    )
    counts = {series: sum(hours[window.start].counts) for series, hours in rolled.items()}
    return [row["no"] for row in found if row["beats"] != counts.get(row["no"], 0)]


async def roll_day(day_ms: int) -> None:
    """Sum up one UTC day of every series from its hours. Repeating it changes nothing."""
    async for numbers in completeness.series_batches(BATCH):
        hours = await load(numbers, HOURLY, range(day_ms, day_ms + DAY_MS))
        await _store(DAILY, day_ms, {series: merge_tallies(tallies.values()) for series, tallies in hours.items()})
        await asyncio.sleep(PAUSE_S)


async def tally_window(numbers: Sequence[int], window: range) -> dict[int, Tally]:
    """Sum up a window from the heartbeats themselves, also when it is too young for a rollup."""
    heartbeats, periods = await _load_heartbeats(numbers, window), await completeness.schedule_periods(numbers)
    return {series: tally_beats(beats, periods[series], window) for series, beats in heartbeats.items()}


async def load(numbers: Iterable[int], span: int, window: range) -> dict[int, dict[int, Tally]]:
    """By series: start → tally of the hours or days that start in the window."""
    ranges = [(rollup_key(no, span, window.start), rollup_key(no, span, window.stop)) for no in numbers]
    found = await db.rows(
        "SELECT r.id, r.data FROM {each:1} JOIN rollups r"
        " ON r.id >= CAST(each.value->>0 AS BIGINT) AND r.id < CAST(each.value->>1 AS BIGINT) ORDER BY r.id",
        json.dumps(ranges),
    )
    tallies: defaultdict[int, dict[int, Tally]] = defaultdict(dict)
    for row in found:
        series, start_ms = series_and_start_of(row["id"])
        tallies[series][start_ms] = unpack_tally(row["data"], SPAN_LENGTHS_MS[span])
    return tallies


async def _load_heartbeats(numbers: Sequence[int], window: range) -> dict[int, list[TimedBeat]]:
    """By series: heartbeats of the window, and the last one before it."""
    ranges = [
        (heartbeat_key(no, EPOCH_MS), heartbeat_key(no, window.start), heartbeat_key(no, window.stop)) for no in numbers
    ]
    found = await db.rows(
        "SELECT h.id, h.status, h.took_us FROM {each:1} JOIN heartbeats h ON h.id >= COALESCE("
        "(SELECT max(p.id) FROM heartbeats p WHERE p.id >= CAST(each.value->>0 AS BIGINT)"
        " AND p.id < CAST(each.value->>1 AS BIGINT)), CAST(each.value->>1 AS BIGINT))"
        " AND h.id < CAST(each.value->>2 AS BIGINT) ORDER BY h.id",
        json.dumps(ranges),
    )
    beats: defaultdict[int, list[TimedBeat]] = defaultdict(list)
    for row in found:
        series, at_ms = slot_of_key(row["id"])
        beats[series].append(TimedBeat(at_ms, row["status"], row["took_us"]))
    return beats


async def _store(span: int, start_ms: int, tallies: dict[int, Tally]) -> None:
    """Store rollups, except of series without any check in that time."""
    packed = [
        RollupRow(id=rollup_key(series, span, start_ms), data=pack_tally(tally, SPAN_LENGTHS_MS[span]))
        for series, tally in tallies.items()
        if tally.observed_ms or any(tally.counts)
    ]
    if packed:
        async with db.transaction():
            await RollupRow.insert(*packed).on_conflict(
                action="DO UPDATE", target=RollupRow.id, values=[RollupRow.data]
            )
