"""Heartbeats in the shape of document 002: one by its id, the newest run of each monitor, counts by status.

Written as SQL: joins over JSON arrays.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from app import clock, db
from app.errors import NoSuch
from app.store.history import completeness, heartbeats, rollups
from app.store.sql import list_parameter
from app.store.system import checkpoints
from app.store.tables.rollups import DAILY, DAY_MS, HOUR_MS, HOURLY
from app.store.visibility import TagScope
from schema.heartbeats import EPOCH_MS, SERIES_SHIFT, Heartbeat, heartbeat_key, slot_of_key
from schema.status import Status

BATCH = 50  # series whose rollups are decoded before other tasks run
KEY_LIMIT = 1 << 63

_NEWEST = (
    "SELECT s.monitor_id, (SELECT max(h.id) FROM heartbeats h WHERE h.id >= s.no * ?2 AND h.id < (s.no + 1) * ?2)"
    " AS newest FROM series s WHERE s.monitor_id IN (SELECT value->>0 FROM {each:1}) AND s.deleted_ms IS NULL"
)
_COUNT = (
    "SELECT h.status, count(*) AS n FROM {each:1} JOIN heartbeats h"
    " ON h.id >= CAST(each.value->>0 AS BIGINT) AND h.id < CAST(each.value->>1 AS BIGINT) GROUP BY h.status"
)


async def get(result_id: str, visible_to: TagScope = None) -> Heartbeat:
    """One heartbeat by its opaque id. Raises NoSuch, also for one that is not visible."""
    try:
        key = int(result_id, 16)
    except ValueError:
        key = -1
    is_valid = 0 <= key < KEY_LIMIT and f"{key:x}" == result_id
    found = await heartbeats.get(*slot_of_key(key), visible_to) if is_valid else None
    if found is None:
        raise NoSuch("result", result_id)
    return found


async def last_runs(monitor_ids: Iterable[str]) -> dict[str, datetime]:
    """The due time of the newest heartbeat of each monitor that has one."""
    found = await db.rows(_NEWEST, list_parameter(monitor_ids), 1 << SERIES_SHIFT)
    newest: dict[str, int] = {}
    for row in found:
        if row["newest"]:
            at_ms = slot_of_key(row["newest"])[1]
            newest[row["monitor_id"]] = max(at_ms, newest.get(row["monitor_id"], 0))
    return {monitor_id: at for monitor_id, at_ms in newest.items() if (at := clock.instant_or_none(at_ms))}


async def count_by_status(window: range, visible_to: TagScope = None) -> Counter[Status]:
    """The heartbeats of all visible monitors in the window, counted by status.

    Whole days and hours come from their rollups, which outlive heartbeats; the rest is counted.
    """
    rolled_ms = await checkpoints.progress_ms(checkpoints.ROLLED, clock.now_ms(), 0)
    total: Counter[Status] = Counter()
    async for numbers in completeness.series_batches(BATCH, visible_to):
        for span, part in _split_window(window, rolled_ms):
            total += await (_count_heartbeats(numbers, part) if span is None else _count_rolled(numbers, span, part))
        await asyncio.sleep(0)
    return total


def _split_window(window: range, rolled_ms: int) -> list[tuple[int | None, range]]:
    """The window split into days, hours and the rest, each with the span of its rollups."""
    hours = range(-(-window.start // HOUR_MS) * HOUR_MS, min(window.stop, rolled_ms) // HOUR_MS * HOUR_MS)
    if not hours:
        return [(None, window)]
    days = range(-(-hours.start // DAY_MS) * DAY_MS, hours.stop // DAY_MS * DAY_MS)
    rest = [(None, range(window.start, hours.start)), (None, range(hours.stop, window.stop))]
    if not days:
        return [*rest, (HOURLY, hours)]
    return [
        *rest,
        (HOURLY, range(hours.start, days.start)),
        (DAILY, days),
        (HOURLY, range(days.stop, hours.stop)),
    ]


async def _count_rolled(numbers: Sequence[int], span: int, window: range) -> Counter[Status]:
    found = await rollups.load(numbers, span, window)
    total: Counter[Status] = Counter()
    for tally in (tally for tallies in found.values() for tally in tallies.values()):
        total.update({Status(status): count for status, count in enumerate(tally.counts)})
    return total


async def _count_heartbeats(numbers: Sequence[int], window: range) -> Counter[Status]:
    first, end = max(EPOCH_MS, window.start), max(EPOCH_MS, window.stop)
    found = await db.rows(_COUNT, json.dumps([(heartbeat_key(no, first), heartbeat_key(no, end)) for no in numbers]))
    return Counter({Status(row["status"]): row["n"] for row in found})
