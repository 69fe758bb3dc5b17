"""Retention: deletes what is too old, and all history of deleted monitors, in short transactions.

Heartbeats are deleted once their hour is rolled up. Important ones stay as long as the hourly rollups, since incidents
refer to them. The newest heartbeat of a series always stays, since the next one is compared with it.
Written as SQL: joins over JSON arrays, and deletions with subqueries.
"""

import asyncio
import json
from collections.abc import Sequence

import msgspec

from app import db
from app.store.history import completeness
from app.store.system import checkpoints
from app.store.tables.incidents import IncidentRow
from app.store.tables.monitors import GapRow, SchedulePeriodRow, SeriesRow
from app.store.tables.rollups import DAILY, DAY_MS, HOUR_MS, HOURLY, rollup_key
from app.store.tables.users import SessionRow
from schema.heartbeats import EPOCH_MS, heartbeat_key

BATCH = 100  # series per query
CHUNK = 2_000  # rows per transaction: blocks other writers for about 10 ms
EVENT_CHUNK = 200  # each with its deliveries and attempts
PAUSE_S = 0.01  # between transactions, for other writers
GRACE_MS = 600_000  # results of a deleted monitor may still be on their way

SELECT_HEARTBEATS = "SELECT t.id FROM {each:1} JOIN heartbeats t ON t.id >= {low} AND t.id < {high}"
EXCEPT_NEWEST = (
    " AND t.id < (SELECT max(p.id) FROM heartbeats p"
    " WHERE p.id >= {low} AND p.id < CAST(each.value->>2 AS BIGINT))"
)  # the newest heartbeat that is rolled up stays
UNIMPORTANT = " WHERE t.flags % 2 = 0"
ORPHANED_DETAILS = (
    "SELECT t.id FROM {each:1} JOIN heartbeat_details t ON t.id >= {low} AND t.id < {high}"
    " WHERE NOT EXISTS (SELECT 1 FROM heartbeats h WHERE h.id = t.id)"
)
SELECT_ROLLUPS = "SELECT t.id FROM {each:1} JOIN rollups t ON t.id >= {low} AND t.id < {high}"

KeyRanges = list[tuple[int, ...]]


class RetentionPeriods(msgspec.Struct, frozen=True):
    """Days that data are kept.

    hourly_days    hourly rollups, important heartbeats, gaps, incidents, events with their deliveries and attempts
    daily_days     daily rollups
    session_days   sessions, after they expired
    audit_days     entries of the audit log
    """

    heartbeat_days: int = 7
    hourly_days: int = 400
    daily_days: int = 1_830
    session_days: int = 7
    audit_days: int = 400


async def prune(now_ms: int, periods: RetentionPeriods) -> int:
    """Delete what is too old.

    returns  how many rows
    """
    rolled_ms = (
        await checkpoints.progress_ms(checkpoints.ROLLED, now_ms, 0) - HOUR_MS
    )  # earlier hours were rolled up twice
    checkpoint = await checkpoints.active_name(checkpoints.PRUNED, now_ms, now_ms)
    pruned_ms = await checkpoints.get(checkpoint)
    beats_ms = _heartbeat_cutoff_ms(now_ms, rolled_ms, periods, pruned_ms)
    hours_ms, days_ms = now_ms - periods.hourly_days * DAY_MS, now_ms - periods.daily_days * DAY_MS
    await checkpoints.save(checkpoint, max(pruned_ms, beats_ms))  # before deleting them
    count = 0
    async for numbers in completeness.series_batches(BATCH):
        count += await _prune_heartbeats(numbers, (beats_ms, min(hours_ms, beats_ms), rolled_ms))
        count += await _delete_in_chunks("rollups", SELECT_ROLLUPS, _rollup_ranges(numbers, HOURLY, hours_ms))
        count += await _delete_in_chunks("rollups", SELECT_ROLLUPS, _rollup_ranges(numbers, DAILY, days_ms))
    await _prune_events_and_sessions(hours_ms, now_ms - periods.session_days * DAY_MS)
    await _prune_gaps_and_periods(min(hours_ms, beats_ms), beats_ms)
    return count


def _heartbeat_cutoff_ms(now_ms: int, rolled_ms: int, periods: RetentionPeriods, pruned_ms: int) -> int:
    """Heartbeats of earlier slots may be deleted: at least up to the checkpoint, but none that the period keeps."""
    oldest_kept_ms = now_ms - periods.heartbeat_days * DAY_MS
    rolled_cutoff_ms = min(oldest_kept_ms, rolled_ms) // HOUR_MS * HOUR_MS
    return max(EPOCH_MS, rolled_cutoff_ms, min(pruned_ms, oldest_kept_ms))


async def _prune_heartbeats(numbers: Sequence[int], cutoffs_ms: tuple[int, int, int]) -> int:
    """cutoffs_ms: of unimportant heartbeats, of important ones, and of rolled-up hours."""
    unimportant_ms, important_ms, rolled_ms = cutoffs_ms
    ranges = _heartbeat_ranges(numbers, unimportant_ms, rolled_ms)
    count = await _delete_in_chunks("heartbeats", SELECT_HEARTBEATS + EXCEPT_NEWEST + UNIMPORTANT, ranges)
    count += await _delete_in_chunks(
        "heartbeats", SELECT_HEARTBEATS + EXCEPT_NEWEST, _heartbeat_ranges(numbers, important_ms, rolled_ms)
    )
    return count + await _delete_in_chunks("heartbeat_details", ORPHANED_DETAILS, ranges)


def _heartbeat_ranges(numbers: Sequence[int], until_ms: int, rolled_ms: int) -> KeyRanges:
    """Keys of heartbeats: first, end, and end of the rolled-up ones."""
    until_ms, rolled_ms = max(EPOCH_MS, until_ms), max(EPOCH_MS, rolled_ms)
    return [(heartbeat_key(no, EPOCH_MS), heartbeat_key(no, until_ms), heartbeat_key(no, rolled_ms)) for no in numbers]


def _rollup_ranges(numbers: Sequence[int], span: int, until_ms: int) -> KeyRanges:
    until_ms = max(EPOCH_MS, until_ms)
    return [(rollup_key(no, span, EPOCH_MS), rollup_key(no, span, until_ms)) for no in numbers]


async def _delete_in_chunks(table: str, selection: str, ranges: KeyRanges) -> int:
    """Delete the selected rows of a table, a chunk at a time.

    selection  selects ids of `t` in the ranges, each (low, high, …)
    """
    low, high = "CAST(each.value->>0 AS BIGINT)", "CAST(each.value->>1 AS BIGINT)"
    select = selection.replace("{low}", low).replace("{high}", high)
    count = 0
    while True:
        async with db.transaction():
            deleted = await db.rows(
                f"DELETE FROM {table} WHERE id IN ({select} LIMIT ?2) RETURNING id",
                json.dumps(ranges),
                CHUNK,
            )
        await asyncio.sleep(PAUSE_S)
        count += len(deleted)
        if len(deleted) < CHUNK:
            return count


async def _prune_events_and_sessions(events_ms: int, sessions_ms: int) -> None:
    """Delete events without open deliveries, resolved incidents, and expired sessions."""
    while True:
        async with db.transaction():
            deleted = await db.rows(
                "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at_ms < ?1 AND NOT EXISTS (SELECT 1"
                " FROM deliveries d WHERE d.event_id = events.id AND d.state IN ('pending', 'sending')) LIMIT ?2)"
                " RETURNING id",
                events_ms,
                EVENT_CHUNK,
            )
        if len(deleted) < EVENT_CHUNK:
            break
        await asyncio.sleep(PAUSE_S)
    async with db.transaction():
        await IncidentRow.delete().where(IncidentRow.resolved_ms < events_ms)
        await SessionRow.delete().where(SessionRow.expires_ms < sessions_ms)


async def _prune_gaps_and_periods(gaps_ms: int, periods_ms: int) -> None:
    """Delete gaps, and schedule periods that ended before the oldest heartbeat."""
    async with db.transaction():
        await GapRow.delete().where(GapRow.to_ms < gaps_ms)
        await db.rows(
            "DELETE FROM schedule_periods WHERE from_ms < (SELECT max(later.from_ms) FROM schedule_periods later"
            " WHERE later.series = schedule_periods.series AND later.from_ms <= ?1)",
            periods_ms,
        )


async def purge_deleted_monitors(now_ms: int) -> int:
    """Delete all history of deleted monitors.

    returns  how many series were deleted
    """
    deleted = SeriesRow.select(SeriesRow.no).where(SeriesRow.deleted_ms < now_ms - GRACE_MS)
    found = await deleted.order_by(SeriesRow.no).limit(BATCH)
    for row in found:
        await _purge_series(row["no"])
    return len(found)


async def _purge_series(series: int) -> None:
    all_keys: KeyRanges = [(heartbeat_key(series, EPOCH_MS), heartbeat_key(series + 1, EPOCH_MS))]
    await _delete_in_chunks("heartbeats", SELECT_HEARTBEATS, all_keys)
    await _delete_in_chunks("heartbeat_details", ORPHANED_DETAILS, all_keys)
    await _delete_in_chunks(
        "rollups", SELECT_ROLLUPS, [(rollup_key(series, HOURLY, EPOCH_MS), rollup_key(series + 1, HOURLY, EPOCH_MS))]
    )
    async with db.transaction():
        await GapRow.delete().where(GapRow.series == series)
        await SchedulePeriodRow.delete().where(SchedulePeriodRow.series == series)
        await SeriesRow.delete().where(SeriesRow.no == series)
