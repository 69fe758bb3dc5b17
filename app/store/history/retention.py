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
from schema.heartbeats import EPOCH_MS, heartbeat_key

BATCH = 100  # series whose rows are looked for together
CHUNK = 2_000  # rows of one transaction: about 10 ms in which nobody else writes
EVENT_CHUNK = 200  # each with its deliveries and their tries
PAUSE_S = 0.01  # between transactions, for the others
GRACE_MS = 600_000  # results of a monitor that was deleted may still be on their way

SELECT_HEARTBEATS = "SELECT t.id FROM {each:1} JOIN heartbeats t ON t.id >= {low} AND t.id < {high}"
EXCEPT_NEWEST = (
    " AND t.id < (SELECT max(p.id) FROM heartbeats p"
    " WHERE p.id >= {low} AND p.id < CAST(each.value->>2 AS BIGINT))"
)  # the newest of those that are rolled stays
UNIMPORTANT = " WHERE t.flags % 2 = 0"
ORPHANED_DETAILS = (
    "SELECT t.id FROM {each:1} JOIN details t ON t.id >= {low} AND t.id < {high}"
    " WHERE NOT EXISTS (SELECT 1 FROM heartbeats h WHERE h.id = t.id)"
)
SELECT_ROLLUPS = "SELECT t.id FROM {each:1} JOIN rollups t ON t.id >= {low} AND t.id < {high}"

KeyRanges = list[tuple[int, ...]]


class RetentionPeriods(msgspec.Struct, frozen=True):
    """Days things are kept.

    hours_days   rollups of hours, important heartbeats, gaps, incidents, events with their deliveries and every try
    ended_days   sessions, after they would have expired
    audit_days   entries of the audit log
    """

    heartbeat_days: int = 7
    hourly_days: int = 400
    daily_days: int = 1_830
    session_days: int = 7
    audit_days: int = 400


async def prune(now_ms: int, periods: RetentionPeriods) -> int:
    """Remove what is too old.

    returns  how many rows
    """
    rolled_ms = await checkpoints.progress_ms(checkpoints.ROLLED, now_ms, 0) - HOUR_MS  # these hours were rolled twice
    mark = await checkpoints.active_name(checkpoints.PRUNED, now_ms, now_ms)
    pruned_ms = await checkpoints.get(mark)
    beats_ms = _heartbeat_cutoff_ms(now_ms, rolled_ms, periods, pruned_ms)
    hours_ms, days_ms = now_ms - periods.hourly_days * DAY_MS, now_ms - periods.daily_days * DAY_MS
    await checkpoints.save(mark, max(pruned_ms, beats_ms))  # before: from now on they may be gone
    count = 0
    async for numbers in completeness.series_batches(BATCH):
        count += await _prune_heartbeats(numbers, (beats_ms, min(hours_ms, beats_ms), rolled_ms))
        count += await _delete_in_chunks("rollups", SELECT_ROLLUPS, _rollup_ranges(numbers, HOURLY, hours_ms))
        count += await _delete_in_chunks("rollups", SELECT_ROLLUPS, _rollup_ranges(numbers, DAILY, days_ms))
    await _prune_events_and_sessions(hours_ms, now_ms - periods.session_days * DAY_MS)
    await _prune_gaps_and_periods(min(hours_ms, beats_ms), beats_ms)
    return count


def _heartbeat_cutoff_ms(now_ms: int, rolled_ms: int, periods: RetentionPeriods, pruned_ms: int) -> int:
    """Heartbeats of slots before may go: those of which it was said, and none that is younger than `keep` has it."""
    youngest_ms = now_ms - periods.heartbeat_days * DAY_MS
    cut_ms = min(youngest_ms, rolled_ms) // HOUR_MS * HOUR_MS
    return max(EPOCH_MS, cut_ms, min(pruned_ms, youngest_ms))


async def _prune_heartbeats(numbers: Sequence[int], cuts_ms: tuple[int, int, int]) -> int:
    """cuts_ms: until when usual and important heartbeats go, and until when hours are rolled."""
    usual_ms, important_ms, rolled_ms = cuts_ms
    usual = _heartbeat_ranges(numbers, usual_ms, rolled_ms)
    count = await _delete_in_chunks("heartbeats", SELECT_HEARTBEATS + EXCEPT_NEWEST + UNIMPORTANT, usual)
    count += await _delete_in_chunks(
        "heartbeats", SELECT_HEARTBEATS + EXCEPT_NEWEST, _heartbeat_ranges(numbers, important_ms, rolled_ms)
    )
    return count + await _delete_in_chunks("details", ORPHANED_DETAILS, usual)


def _heartbeat_ranges(numbers: Sequence[int], until_ms: int, rolled_ms: int) -> KeyRanges:
    """(first, past the last, past the last rolled) as keys of heartbeats."""
    until_ms, rolled_ms = max(EPOCH_MS, until_ms), max(EPOCH_MS, rolled_ms)
    return [
        (heartbeat_key(one, EPOCH_MS), heartbeat_key(one, until_ms), heartbeat_key(one, rolled_ms)) for one in numbers
    ]


def _rollup_ranges(numbers: Sequence[int], span: int, until_ms: int) -> KeyRanges:
    until_ms = max(EPOCH_MS, until_ms)
    return [(rollup_key(one, span, EPOCH_MS), rollup_key(one, span, until_ms)) for one in numbers]


async def _delete_in_chunks(table: str, selection: str, ranges: KeyRanges) -> int:
    """Delete the chosen rows of a table, a chunk at a time.

    chosen  selects ids of `t` in the ranges, each (low, high, …)
    """
    text = selection.replace("{low}", "CAST(each.value->>0 AS BIGINT)").replace(
        "{high}", "CAST(each.value->>1 AS BIGINT)"
    )
    count = 0
    while True:
        async with db.transaction():
            gone = await db.rows(
                f"DELETE FROM {table} WHERE id IN ({text} LIMIT ?2) RETURNING id",
                json.dumps(ranges),
                CHUNK,
            )
        await asyncio.sleep(PAUSE_S)
        count += len(gone)
        if len(gone) < CHUNK:
            return count


async def _prune_events_and_sessions(events_ms: int, sessions_ms: int) -> None:
    """Events, unless somebody is still to be told, with their deliveries; incidents that are over; sessions."""
    while True:
        async with db.transaction():
            gone = await db.rows(
                "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at_ms < ?1 AND NOT EXISTS (SELECT 1"
                " FROM deliveries d WHERE d.event_id = events.id AND d.state IN ('pending', 'sending')) LIMIT ?2)"
                " RETURNING id",
                events_ms,
                EVENT_CHUNK,
            )
        if len(gone) < EVENT_CHUNK:
            break
        await asyncio.sleep(PAUSE_S)
    async with db.transaction():
        await db.rows("DELETE FROM incidents WHERE resolved_ms < ?1", events_ms)
        await db.rows("DELETE FROM sessions WHERE expires_ms < ?1", sessions_ms)


async def _prune_gaps_and_periods(gaps_ms: int, eras_ms: int) -> None:
    """Gaps, and eras that were over before the oldest heartbeat."""
    async with db.transaction():
        await db.rows("DELETE FROM gaps WHERE to_ms < ?1", gaps_ms)
        await db.rows(
            "DELETE FROM eras WHERE from_ms < (SELECT max(later.from_ms) FROM eras later"
            " WHERE later.series = eras.series AND later.from_ms <= ?1)",
            eras_ms,
        )


async def purge_deleted_monitors(now_ms: int) -> int:
    """Remove all that is left of monitors that were deleted.

    returns  how many series are gone for good
    """
    found = await db.rows("SELECT no FROM series WHERE deleted_ms < ?1 ORDER BY no LIMIT ?2", now_ms - GRACE_MS, BATCH)
    for row in found:
        await _purge_series(row["no"])
    return len(found)


async def _purge_series(series: int) -> None:
    beats: KeyRanges = [(heartbeat_key(series, EPOCH_MS), heartbeat_key(series + 1, EPOCH_MS))]
    await _delete_in_chunks("heartbeats", SELECT_HEARTBEATS, beats)
    await _delete_in_chunks("details", ORPHANED_DETAILS, beats)
    await _delete_in_chunks(
        "rollups", SELECT_ROLLUPS, [(rollup_key(series, HOURLY, EPOCH_MS), rollup_key(series + 1, HOURLY, EPOCH_MS))]
    )
    async with db.transaction():
        await db.rows("DELETE FROM gaps WHERE series = ?1", series)
        await db.rows("DELETE FROM eras WHERE series = ?1", series)
        await db.rows("DELETE FROM series WHERE no = ?1", series)
