"""Reads the whole history, page by page, and counts what is missing or doubled in it."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

import msgspec

from app import db
from app.domain.history.completeness import EDGE_MS, Beat, Era, Flaw, Gap, Review, review
from app.store import visibility
from app.store.system import checkpoints
from app.store.tables.heartbeats import EARLY
from app.store.visibility import Seeing
from schema.heartbeats import EPOCH_MS, key_of, slot_of

BATCH = 200  # series whose eras and gaps are read together
PAGE = 20_000  # heartbeats in memory at a time
SPAN_MS = 7 * 86_400_000  # and the longest stretch: at most 121,000 slots, should nothing have been checked in it
WORST = 20  # flaws that a report shows


class HistoryReport(msgspec.Struct, frozen=True):
    """What `watchkeeper doctor --history` says. Zero missing and zero doubled is the only good answer."""

    series: int = 0
    slots: int = 0
    missing: int = 0
    doubled: int = 0
    gaps: int = 0
    worst: list[Flaw] = []

    def plus(self, one: Review) -> "HistoryReport":
        """This report and a further stretch."""
        missing = sum(flaw.kind == "missing" for flaw in one.flaws)
        return HistoryReport(
            self.series,
            self.slots + one.slots,
            self.missing + missing,
            self.doubled + len(one.flaws) - missing,
            self.gaps + one.gaps,
            (self.worst + one.flaws)[:WORST],
        )


async def report(now_ms: int, settle_ms: int) -> HistoryReport:
    """Review all there is of every series that was not deleted.

    settle_ms  slots younger than this may still be on their way
    """
    total = HistoryReport()
    async for numbers in batches():
        total = msgspec.structs.replace(total, series=total.series + len(numbers))
        eras, gaps = await eras_of(numbers), await _gaps_of(numbers)
        for series in filter(eras.__contains__, numbers):
            since_ms = max(await _pruned_ms(now_ms), eras[series][0].from_ms - EDGE_MS)
            async for window, beats in _pages(series, range(since_ms, now_ms - settle_ms)):
                left = range(min(window.stop, max(window.start, await _pruned_ms(now_ms))), window.stop)
                total = total.plus(review(series, eras[series], gaps[series], _within(beats, left), left))
    return total


async def _pruned_ms(now_ms: int) -> int:
    """Before this, heartbeats may be gone; housekeeping goes on while we read, so it is asked again and again."""
    return max(EPOCH_MS, await checkpoints.reached(checkpoints.PRUNED, now_ms, now_ms))


def _within(beats: Sequence[Beat], window: range) -> list[Beat]:
    return [one for one in beats if window.start <= one.at_ms < window.stop]


async def batches(size: int = BATCH, seen_by: Seeing = None) -> AsyncIterator[list[int]]:
    """The numbers of all series that were not deleted and are seen, in order, a batch at a time."""
    last, seen = 0, f" AND {visibility.of_monitors('monitor_id', 3)}"
    while True:
        found = await db.rows(
            f"SELECT no FROM series WHERE no > ?1 AND deleted_ms IS NULL{seen} ORDER BY no LIMIT ?2",
            last,
            size,
            visibility.argument(seen_by),
        )
        if not found:
            return
        yield [row["no"] for row in found]
        last = found[-1]["no"]


async def eras_of(numbers: Sequence[int]) -> defaultdict[int, list[Era]]:
    """The schedule each series had, in order of time."""
    found = await db.rows(
        "SELECT series, from_ms, interval_ms, cron, timezone FROM eras WHERE series IN"
        " (SELECT CAST(each.value->>0 AS BIGINT) FROM {each:1}) ORDER BY series, from_ms",
        json.dumps([[number] for number in numbers]),
    )
    eras: defaultdict[int, list[Era]] = defaultdict(list)
    for row in found:
        eras[row["series"]].append(Era(row["from_ms"], row["interval_ms"], row["cron"], row["timezone"]))
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
            key_of(series, first),
            key_of(series, stop),
            PAGE,
        )
        beats = [Beat(slot_of(row["id"])[1], bool(row["flags"] & EARLY)) for row in found]
        end = beats[-1].at_ms + 1 if len(beats) == PAGE else stop
        yield range(first, end), beats
        first = end
