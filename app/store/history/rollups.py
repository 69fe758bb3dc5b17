"""Rollups: hours and days derived from heartbeats, by work that may be interrupted and done again at any time.

An hour is rolled once it has settled, and again an hour later, for results that came late. Days are made of hours when
their last one is. An hour whose heartbeats may have been pruned is never rolled again: its facts are gone.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence

from app import clock, db
from app.domain.history.rollup_codec import pack_tally, unpack_tally
from app.domain.history.uptime import Tally, TimedBeat, merge_tallies, tally_beats
from app.store.history import completeness
from app.store.system import checkpoints
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

SETTLE_MS = 600_000  # an hour's last results have arrived, or a database was away
BATCH = 10  # series at a time: some milliseconds of a process that has slots to hand out
PAUSE_S = 0.005  # between batches, for the others
MAX_HOURS = 24  # hours caught up in one go


async def advance(now_ms: int) -> int:
    """Roll what has settled since last time; a day of hours at most.

    returns  how many hours
    """
    settled_ms = (now_ms - SETTLE_MS) // HOUR_MS * HOUR_MS
    mark = await checkpoints.active_name(checkpoints.ROLLED, now_ms, settled_ms - HOUR_MS)
    begun_ms = await checkpoints.get(mark) or await _first_hour(now_ms)
    hours = range(begun_ms, min(settled_ms, begun_ms + MAX_HOURS * HOUR_MS), HOUR_MS)
    for hour_ms in hours:
        await roll_hour(hour_ms - HOUR_MS, now_ms, only_late=True)
        await roll_hour(hour_ms, now_ms)
        for day_ms in _days_touched(hour_ms):
            await roll_day(day_ms)
        await checkpoints.save(mark, hour_ms + HOUR_MS)
    return len(hours)


async def _first_hour(now_ms: int) -> int:
    found = await db.rows("SELECT min(from_ms) AS first FROM eras")
    return (found[0]["first"] or now_ms) // HOUR_MS * HOUR_MS


def _days_touched(hour_ms: int) -> list[int]:
    """Beginnings of the days that are complete with this hour, or were before and had their last hour rolled again."""
    return [end - DAY_MS for end in (hour_ms, hour_ms + HOUR_MS) if end % DAY_MS == 0]


async def roll_hour(hour_ms: int, now_ms: int | None = None, *, only_late: bool = False) -> None:
    """Derive one hour of every series from its heartbeats. Doing it again changes nothing.

    only_late  skip series that have no more heartbeats in it than when it was rolled: measured: a sixteenth of the work
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
    """The series whose hour holds other heartbeats than its rollup says."""
    rolled = await load(numbers, HOURLY, window)
    found = await db.rows(
        "SELECT CAST(each.value->>0 AS BIGINT) AS no, (SELECT count(*) FROM heartbeats h"
        " WHERE h.id >= CAST(each.value->>1 AS BIGINT) AND h.id < CAST(each.value->>2 AS BIGINT)) AS beats"
        " FROM {each:1}",
        json.dumps([(one, heartbeat_key(one, window.start), heartbeat_key(one, window.stop)) for one in numbers]),
    )
    known = {series: sum(hours[window.start].counts) for series, hours in rolled.items()}
    return [row["no"] for row in found if row["beats"] != known.get(row["no"], 0)]


async def roll_day(day_ms: int) -> None:
    """Derive one UTC day of every series from its hours. Doing it again changes nothing."""
    async for numbers in completeness.series_batches(BATCH):
        hours = await load(numbers, HOURLY, range(day_ms, day_ms + DAY_MS))
        await _store(DAILY, day_ms, {series: merge_tallies(found.values()) for series, found in hours.items()})
        await asyncio.sleep(PAUSE_S)


async def tally_window(numbers: Sequence[int], window: range) -> dict[int, Tally]:
    """Sum up a window from the heartbeats themselves: what is too young for a rollup is read like this."""
    beats, eras = await _load_heartbeats(numbers, window), await completeness.schedule_periods(numbers)
    return {series: tally_beats(found, eras[series], window) for series, found in beats.items()}


async def load(numbers: Iterable[int], span: int, window: range) -> dict[int, dict[int, Tally]]:
    """Of each series: beginning → what that hour or day came to, for those that begin in the window."""
    ranges = [(rollup_key(one, span, window.start), rollup_key(one, span, window.stop)) for one in numbers]
    found = await db.rows(
        "SELECT r.id, r.data FROM {each:1} JOIN rollups r"
        " ON r.id >= CAST(each.value->>0 AS BIGINT) AND r.id < CAST(each.value->>1 AS BIGINT) ORDER BY r.id",
        json.dumps(ranges),
    )
    tallies: defaultdict[int, dict[int, Tally]] = defaultdict(dict)
    for row in found:
        series, begin_ms = series_and_start_of(row["id"])
        tallies[series][begin_ms] = unpack_tally(row["data"], SPAN_LENGTHS_MS[span])
    return tallies


async def _load_heartbeats(numbers: Sequence[int], window: range) -> dict[int, list[TimedBeat]]:
    """Heartbeats of the window, and the last one before it, per series."""
    ranges = [
        (heartbeat_key(one, EPOCH_MS), heartbeat_key(one, window.start), heartbeat_key(one, window.stop))
        for one in numbers
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


async def _store(span: int, begin_ms: int, tallies: dict[int, Tally]) -> None:
    """Write rollups; nothing is written for a time in which nobody looked."""
    packed = [
        RollupRow(id=rollup_key(series, span, begin_ms), data=pack_tally(one, SPAN_LENGTHS_MS[span]))
        for series, one in tallies.items()
        if one.observed_ms or any(one.counts)
    ]
    if packed:
        async with db.transaction():
            await RollupRow.insert(*packed).on_conflict(
                action="DO UPDATE", target=RollupRow.id, values=[RollupRow.data]
            )
