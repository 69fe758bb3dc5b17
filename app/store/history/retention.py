"""Forgets what is too old, and all of a monitor that was deleted: in short transactions, so that nobody waits.

Heartbeats go when their hour is in the rollups. Important ones stay as long as the hours do: they are the incidents.
The newest heartbeat of a series is never removed, since it is what the next one is compared with.
"""

import asyncio
import json
from collections.abc import Sequence

import msgspec

from app import db
from app.store.history import completeness
from app.store.system import checkpoints
from app.store.tables.rollups import DAILY, DAY_MS, HOUR_MS, HOURLY, rollup_key
from schema.heartbeats import EPOCH_MS, key_of

BATCH = 100  # series whose rows are looked for together
CHUNK = 2_000  # rows of one transaction: about 10 ms in which nobody else writes
EVENTS = 200  # each with its deliveries and their tries
PAUSE_S = 0.01  # between transactions, for the others
GRACE_MS = 600_000  # results of a monitor that was deleted may still be on their way

BEATS = "SELECT t.id FROM {each:1} JOIN heartbeats t ON t.id >= {low} AND t.id < {high}"
PAST = (
    " AND t.id < (SELECT max(p.id) FROM heartbeats p"
    " WHERE p.id >= {low} AND p.id < CAST(each.value->>2 AS BIGINT))"
)  # the newest of those that are rolled stays
USUAL = " WHERE t.flags % 2 = 0"
ORPHANS = (
    "SELECT t.id FROM {each:1} JOIN details t ON t.id >= {low} AND t.id < {high}"
    " WHERE NOT EXISTS (SELECT 1 FROM heartbeats h WHERE h.id = t.id)"
)
ROLLUPS = "SELECT t.id FROM {each:1} JOIN rollups t ON t.id >= {low} AND t.id < {high}"

Ranges = list[tuple[int, ...]]


class Keep(msgspec.Struct, frozen=True):
    """Days things are kept.

    hours_days   rollups of hours, important heartbeats, gaps, incidents, events with their deliveries and every try
    ended_days   sessions, after they would have expired
    audit_days   entries of the audit log
    """

    beats_days: int = 7
    hours_days: int = 400
    days_days: int = 1_830
    ended_days: int = 7
    audit_days: int = 400


async def prune(now_ms: int, keep: Keep) -> int:
    """Remove what is too old.

    returns  how many rows
    """
    rolled_ms = await checkpoints.reached(checkpoints.ROLLED, now_ms, 0) - HOUR_MS  # these hours were rolled twice
    mark = await checkpoints.usual(checkpoints.PRUNED, now_ms, now_ms)
    pruned_ms = await checkpoints.read(mark)
    beats_ms = _beats_until(now_ms, rolled_ms, keep, pruned_ms)
    hours_ms, days_ms = now_ms - keep.hours_days * DAY_MS, now_ms - keep.days_days * DAY_MS
    await checkpoints.move(mark, max(pruned_ms, beats_ms))  # before: from now on they may be gone
    count = 0
    async for numbers in completeness.batches(BATCH):
        count += await _prune_beats(numbers, (beats_ms, min(hours_ms, beats_ms), rolled_ms))
        count += await _drain("rollups", ROLLUPS, _rollup_ranges(numbers, HOURLY, hours_ms))
        count += await _drain("rollups", ROLLUPS, _rollup_ranges(numbers, DAILY, days_ms))
    await _prune_words(hours_ms, now_ms - keep.ended_days * DAY_MS)
    await _prune_schedules(min(hours_ms, beats_ms), beats_ms)
    return count


def _beats_until(now_ms: int, rolled_ms: int, keep: Keep, pruned_ms: int) -> int:
    """Heartbeats of slots before may go: those of which it was said, and none that is younger than `keep` has it."""
    youngest_ms = now_ms - keep.beats_days * DAY_MS
    cut_ms = min(youngest_ms, rolled_ms) // HOUR_MS * HOUR_MS
    return max(EPOCH_MS, cut_ms, min(pruned_ms, youngest_ms))


async def _prune_beats(numbers: Sequence[int], cuts_ms: tuple[int, int, int]) -> int:
    """cuts_ms: until when usual and important heartbeats go, and until when hours are rolled."""
    usual_ms, important_ms, rolled_ms = cuts_ms
    usual = _beat_ranges(numbers, usual_ms, rolled_ms)
    count = await _drain("heartbeats", BEATS + PAST + USUAL, usual)
    count += await _drain("heartbeats", BEATS + PAST, _beat_ranges(numbers, important_ms, rolled_ms))
    return count + await _drain("details", ORPHANS, usual)


def _beat_ranges(numbers: Sequence[int], until_ms: int, rolled_ms: int) -> Ranges:
    """(first, past the last, past the last rolled) as keys of heartbeats."""
    until_ms, rolled_ms = max(EPOCH_MS, until_ms), max(EPOCH_MS, rolled_ms)
    return [(key_of(one, EPOCH_MS), key_of(one, until_ms), key_of(one, rolled_ms)) for one in numbers]


def _rollup_ranges(numbers: Sequence[int], span: int, until_ms: int) -> Ranges:
    until_ms = max(EPOCH_MS, until_ms)
    return [(rollup_key(one, span, EPOCH_MS), rollup_key(one, span, until_ms)) for one in numbers]


async def _drain(table: str, chosen: str, ranges: Ranges) -> int:
    """Delete the chosen rows of a table, a chunk at a time.

    chosen  selects ids of `t` in the ranges, each (low, high, …)
    """
    text = chosen.replace("{low}", "CAST(each.value->>0 AS BIGINT)").replace("{high}", "CAST(each.value->>1 AS BIGINT)")
    count = 0
    while True:
        async with db.writing():
            gone = await db.rows(
                f"DELETE FROM {table} WHERE id IN ({text} LIMIT ?2) RETURNING id",
                json.dumps(ranges),
                CHUNK,
            )
        await asyncio.sleep(PAUSE_S)
        count += len(gone)
        if len(gone) < CHUNK:
            return count


async def _prune_words(events_ms: int, sessions_ms: int) -> None:
    """Events, unless somebody is still to be told, with their deliveries; incidents that are over; sessions."""
    while True:
        async with db.writing():
            gone = await db.rows(
                "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at_ms < ?1 AND NOT EXISTS (SELECT 1"
                " FROM deliveries d WHERE d.event_id = events.id AND d.state IN ('pending', 'sending')) LIMIT ?2)"
                " RETURNING id",
                events_ms,
                EVENTS,
            )
        if len(gone) < EVENTS:
            break
        await asyncio.sleep(PAUSE_S)
    async with db.writing():
        await db.rows("DELETE FROM incidents WHERE resolved_ms < ?1", events_ms)
        await db.rows("DELETE FROM sessions WHERE expires_ms < ?1", sessions_ms)


async def _prune_schedules(gaps_ms: int, eras_ms: int) -> None:
    """Gaps, and eras that were over before the oldest heartbeat."""
    async with db.writing():
        await db.rows("DELETE FROM gaps WHERE to_ms < ?1", gaps_ms)
        await db.rows(
            "DELETE FROM eras WHERE from_ms < (SELECT max(later.from_ms) FROM eras later"
            " WHERE later.series = eras.series AND later.from_ms <= ?1)",
            eras_ms,
        )


async def forget_deleted(now_ms: int) -> int:
    """Remove all that is left of monitors that were deleted.

    returns  how many series are gone for good
    """
    found = await db.rows("SELECT no FROM series WHERE deleted_ms < ?1 ORDER BY no LIMIT ?2", now_ms - GRACE_MS, BATCH)
    for row in found:
        await _forget(row["no"])
    return len(found)


async def _forget(series: int) -> None:
    beats: Ranges = [(key_of(series, EPOCH_MS), key_of(series + 1, EPOCH_MS))]
    await _drain("heartbeats", BEATS, beats)
    await _drain("details", ORPHANS, beats)
    await _drain("rollups", ROLLUPS, [(rollup_key(series, HOURLY, EPOCH_MS), rollup_key(series + 1, HOURLY, EPOCH_MS))])
    async with db.writing():
        await db.rows("DELETE FROM gaps WHERE series = ?1", series)
        await db.rows("DELETE FROM eras WHERE series = ?1", series)
        await db.rows("DELETE FROM series WHERE no = ?1", series)
