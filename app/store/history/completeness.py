"""Counts missing and doubled slots in the whole history, page by page.

Written as SQL: batches over JSON arrays, and series that are visible, which is a subquery.
"""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

import msgspec

from app import db
from app.domain.history.completeness import EDGE_MS, Beat, Gap, Review, SchedulePeriod, SlotError, review_series
from app.store import visibility
from app.store.system import checkpoints
from app.store.tables.heartbeats import EARLY, HeartbeatRow
from app.store.visibility import TagScope
from schema.heartbeats import EPOCH_MS, heartbeat_key, slot_of_key

BATCH = 200  # series whose schedule periods and gaps are read together
PAGE = 20_000  # heartbeats in memory at a time
SPAN_MS = 7 * 86_400_000  # the longest page: at most 121,000 slots, if nothing was checked
MAX_SHOWN = 20  # slot errors in a report


class HistoryReport(msgspec.Struct, frozen=True):
    """The report of `watchkeeper doctor --history`. Every missing or doubled slot is a bug."""

    series: int = 0
    slots: int = 0
    missing: int = 0
    doubled: int = 0
    gaps: int = 0
    worst: list[SlotError] = []

    def with_review(self, stretch: Review) -> "HistoryReport":
        """This report with another stretch of a series added."""
        missing = sum(error.kind == "missing" for error in stretch.errors)
        return HistoryReport(
            self.series,
            self.slots + stretch.slots,
            self.missing + missing,
            self.doubled + len(stretch.errors) - missing,
            self.gaps + stretch.gaps,
            (self.worst + stretch.errors)[:MAX_SHOWN],
        )


async def build_report(now_ms: int, settle_ms: int) -> HistoryReport:
    """Review the whole history of every series that is not deleted.

    settle_ms  younger slots may still have results on their way
    """
    total = HistoryReport()
    async for numbers in series_batches():
        total = msgspec.structs.replace(total, series=total.series + len(numbers))
        periods, gaps = await schedule_periods(numbers), await _gaps_of(numbers)
        for no in filter(periods.__contains__, numbers):
            from_ms = max(await _pruned_until_ms(now_ms), periods[no][0].from_ms - EDGE_MS)
            async for window, beats in _pages(no, range(from_ms, now_ms - settle_ms)):
                left = range(min(window.stop, max(window.start, await _pruned_until_ms(now_ms))), window.stop)
                left_beats = [beat for beat in beats if left.start <= beat.at_ms < left.stop]
                total = total.with_review(review_series(no, periods[no], gaps[no], left_beats, left))
    return total


async def _pruned_until_ms(now_ms: int) -> int:
    """Earlier heartbeats may be pruned. Housekeeping runs while we read, so read this before and after each page."""
    return max(EPOCH_MS, await checkpoints.progress_ms(checkpoints.PRUNED, now_ms, now_ms))


async def series_batches(size: int = BATCH, visible_to: TagScope = None) -> AsyncIterator[list[int]]:
    """The numbers of all visible series that are not deleted, in order, in batches."""
    last, visible = 0, f" AND {visibility.visible_monitors_sql('monitor_id', 3)}"
    while True:
        found = await db.rows(
            f"SELECT no FROM series WHERE no > ?1 AND deleted_ms IS NULL{visible} ORDER BY no LIMIT ?2",
            last,
            size,
            visibility.tags_parameter(visible_to),
        )
        if not found:
            return
        yield [row["no"] for row in found]
        last = found[-1]["no"]


async def schedule_periods(numbers: Sequence[int]) -> defaultdict[int, list[SchedulePeriod]]:
    """By series: the schedules it had, in order of time."""
    found = await db.rows(
        "SELECT series, from_ms, interval_ms, cron, timezone FROM schedule_periods WHERE series IN"
        " (SELECT CAST(each.value->>0 AS BIGINT) FROM {each:1}) ORDER BY series, from_ms",
        json.dumps([[number] for number in numbers]),
    )
    periods: defaultdict[int, list[SchedulePeriod]] = defaultdict(list)
    for row in found:
        periods[row["series"]].append(SchedulePeriod(row["from_ms"], row["interval_ms"], row["cron"], row["timezone"]))
    return periods


async def _gaps_of(numbers: Sequence[int]) -> defaultdict[int, list[Gap]]:
    found = await db.rows(
        "SELECT series, from_ms, to_ms FROM gaps WHERE series IN (SELECT CAST(each.value->>0 AS BIGINT) FROM {each:1})",
        json.dumps([[number] for number in numbers]),
    )
    gaps: defaultdict[int, list[Gap]] = defaultdict(list)
    for row in found:
        gaps[row["series"]].append(Gap(row["from_ms"], row["to_ms"]))
    return gaps


async def _pages(series: int, window: range) -> AsyncIterator[tuple[range, list[Beat]]]:
    """The window in pages, each with its heartbeats."""
    first = window.start
    while first < window.stop:
        stop = min(window.stop, first + SPAN_MS)
        is_inside = (HeartbeatRow.id >= heartbeat_key(series, first)) & (HeartbeatRow.id < heartbeat_key(series, stop))
        query = HeartbeatRow.select(HeartbeatRow.id, HeartbeatRow.flags).where(is_inside)
        found = await query.order_by(HeartbeatRow.id).limit(PAGE)
        beats = [Beat(slot_of_key(row["id"])[1], bool(row["flags"] & EARLY)) for row in found]
        end = beats[-1].at_ms + 1 if len(beats) == PAGE else stop
        yield range(first, end), beats
        first = end
