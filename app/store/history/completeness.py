"""Reads the whole history, page by page, and counts what is missing or doubled in it."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

import msgspec

from app import db
from app.domain.history.completeness import EDGE_MS, Beat, Gap, Review, SchedulePeriod, SlotError, review_series
from app.store import visibility
from app.store.system import checkpoints
from app.store.tables.heartbeats import EARLY
from app.store.visibility import TagScope
from schema.heartbeats import EPOCH_MS, heartbeat_key, slot_of_key

BATCH = 200  # series whose eras and gaps are read together
PAGE = 20_000  # heartbeats in memory at a time
SPAN_MS = 7 * 86_400_000  # and the longest stretch: at most 121,000 slots, should nothing have been checked in it
MAX_SHOWN = 20  # flaws that a report shows


class HistoryReport(msgspec.Struct, frozen=True):
    """What `watchkeeper doctor --history` says. Zero missing and zero doubled is the only good answer."""

    series: int = 0
    slots: int = 0
    missing: int = 0
    doubled: int = 0
    gaps: int = 0
    worst: list[SlotError] = []

    def with_review(self, stretch: Review) -> "HistoryReport":
        """This report and a further stretch."""
        missing = sum(flaw.kind == "missing" for flaw in stretch.errors)
        return HistoryReport(
            self.series,
            self.slots + stretch.slots,
            self.missing + missing,
            self.doubled + len(stretch.errors) - missing,
            self.gaps + stretch.gaps,
            (self.worst + stretch.errors)[:MAX_SHOWN],
        )


async def build_report(now_ms: int, settle_ms: int) -> HistoryReport:
    """Review all there is of every series that was not deleted.

    settle_ms  slots younger than this may still be on their way
    """
    total = HistoryReport()
    async for numbers in series_batches():
        total = msgspec.structs.replace(total, series=total.series + len(numbers))
        eras, gaps = await schedule_periods(numbers), await _gaps_of(numbers)
        for series in filter(eras.__contains__, numbers):
            since_ms = max(await _pruned_until_ms(now_ms), eras[series][0].from_ms - EDGE_MS)
            async for window, beats in _pages(series, range(since_ms, now_ms - settle_ms)):
                left = range(min(window.stop, max(window.start, await _pruned_until_ms(now_ms))), window.stop)
                total = total.with_review(review_series(series, eras[series], gaps[series], _within(beats, left), left))
    return total


async def _pruned_until_ms(now_ms: int) -> int:
    """Before this, heartbeats may be gone; housekeeping goes on while we read, so it is asked again and again."""
    return max(EPOCH_MS, await checkpoints.progress_ms(checkpoints.PRUNED, now_ms, now_ms))


def _within(beats: Sequence[Beat], window: range) -> list[Beat]:
    return [one for one in beats if window.start <= one.at_ms < window.stop]


async def series_batches(size: int = BATCH, visible_to: TagScope = None) -> AsyncIterator[list[int]]:
    """The numbers of all series that were not deleted and are seen, in order, a batch at a time."""
    last, seen = 0, f" AND {visibility.visible_monitors_sql('monitor_id', 3)}"
    while True:
        found = await db.rows(
            f"SELECT no FROM series WHERE no > ?1 AND deleted_ms IS NULL{seen} ORDER BY no LIMIT ?2",
            last,
            size,
            visibility.tags_parameter(visible_to),
        )
        if not found:
            return
        yield [row["no"] for row in found]
        last = found[-1]["no"]


async def schedule_periods(numbers: Sequence[int]) -> defaultdict[int, list[SchedulePeriod]]:
    """The schedule each series had, in order of time."""
    found = await db.rows(
        "SELECT series, from_ms, interval_ms, cron, timezone FROM eras WHERE series IN"
        " (SELECT CAST(each.value->>0 AS BIGINT) FROM {each:1}) ORDER BY series, from_ms",
        json.dumps([[number] for number in numbers]),
    )
    eras: defaultdict[int, list[SchedulePeriod]] = defaultdict(list)
    for row in found:
        eras[row["series"]].append(SchedulePeriod(row["from_ms"], row["interval_ms"], row["cron"], row["timezone"]))
    return eras


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
    """The window in parts, each with its heartbeats."""
    first = window.start
    while first < window.stop:
        stop = min(window.stop, first + SPAN_MS)
        found = await db.rows(
            "SELECT id, flags FROM heartbeats WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3",
            heartbeat_key(series, first),
            heartbeat_key(series, stop),
            PAGE,
        )
        beats = [Beat(slot_of_key(row["id"])[1], bool(row["flags"] & EARLY)) for row in found]
        end = beats[-1].at_ms + 1 if len(beats) == PAGE else stop
        yield range(first, end), beats
        first = end
