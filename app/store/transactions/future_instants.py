"""Instants in the future, stored while the clock was ahead: finds them, and repairs those that delay something.

History is not rewritten: heartbeats and attempts keep their stored times. A repair moves what would delay an alert, a
check or a user for as long as the clock was ahead. Repeating it changes nothing.
Written as SQL: correlated subqueries and batches over JSON arrays.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from app import db
from app.clock_watch import FUTURE_TOLERANCE_MS
from app.domain.alerting.circuit_breaker import backoff_s
from app.domain.history.completeness import SchedulePeriod
from app.store.alerting.delivery_claims import LEASE_MS
from app.store.monitoring import series
from app.store.sql import list_parameter
from app.store.tables.channels import ChannelRow
from app.store.tables.monitors import GapRow
from app.store.tables.rollups import CheckpointRow
from schema.heartbeat_texts import PUSHED
from schema.heartbeats import EPOCH_MS, SERIES_SHIFT

_NEWEST_HEARTBEATS = (
    "SELECT s.no, (SELECT max(h.id) FROM heartbeats h WHERE h.id > s.no * ?1 + ?2 AND h.id < (s.no + 1) * ?1)"
    " - s.no * ?1 AS newest FROM series s WHERE s.deleted_ms IS NULL"
)
_FUTURE_PERIODS = (
    "SELECT s.no, m.* FROM series s JOIN monitors m ON m.id = s.monitor_id WHERE EXISTS"
    " (SELECT 1 FROM schedule_periods e WHERE e.series = s.no AND e.from_ms > ?1)"
)
_OPEN_CIRCUITS = (
    "SELECT c.id, c.temporary_failures, c.circuit_open_until_ms FROM channels c WHERE c.circuit_open_until_ms >"
    " ?1 AND (c.failing_since_ms > ?1"
    " OR EXISTS (SELECT 1 FROM deliveries d JOIN delivery_attempts a ON a.delivery_id = d.id"
    " WHERE d.channel_id = c.id AND a.at_ms > ?1))"
)
_IS_OPEN = "state IN ('pending', 'sending')"
_ATTEMPTED = "SELECT 1 FROM delivery_attempts a WHERE a.delivery_id = deliveries.id AND a.at_ms > ?1"
# Held deliveries become due and are decided again; released ones keep waiting for a check.
_RELEASE_PENDING = (
    f"UPDATE deliveries SET next_attempt_ms = ?2 WHERE {_IS_OPEN} AND state = 'pending' AND next_attempt_ms > ?1"
    f" AND (created_ms > ?1 OR released_ms > ?1 OR EXISTS ({_ATTEMPTED})"
    " OR (hold IN ('held', 'grouped') AND released_ms IS NULL)) RETURNING id"
)
_SHORTEN_LEASES = (
    f"UPDATE deliveries SET lease_until_ms = ?2 WHERE {_IS_OPEN} AND state = 'sending'"
    " AND lease_until_ms > ?1 RETURNING id"
)
_ESCALATING = (
    "SELECT i.id, i.escalation_step, i.next_escalation_ms, x.steps FROM incidents i JOIN escalations x ON x.id ="
    " i.escalation_id"
    " WHERE i.next_escalation_ms > ?1 AND i.resolved_ms IS NULL"
)
_FUTURE_PUSHES = (
    "SELECT s.no FROM series s JOIN monitors m ON m.id = s.monitor_id WHERE m.type = 'push' AND m.active AND EXISTS"
    " (SELECT 1 FROM heartbeats h WHERE h.id > s.no * ?1 + ?2 AND h.id < (s.no + 1) * ?1 AND h.code = ?3)"
)


class FutureHeartbeats(msgspec.Struct, frozen=True):
    """Heartbeats in the future: the number of series, and the latest time in epoch milliseconds."""

    series: int = 0
    until_ms: int = 0


async def find_heartbeats(now_ms: int) -> FutureHeartbeats:
    """Find heartbeats in the future; one index look-up per series."""
    found = await db.rows(_NEWEST_HEARTBEATS, 1 << SERIES_SHIFT, _relative(now_ms + FUTURE_TOLERANCE_MS))
    ahead = [row["newest"] + EPOCH_MS for row in found if row["newest"] is not None]
    return FutureHeartbeats(len(ahead), max(ahead, default=0))


async def find_checkpoints(now_ms: int) -> list[str]:
    """Names of checkpoints in the future."""
    is_ahead = CheckpointRow.at_ms > now_ms + FUTURE_TOLERANCE_MS
    names = CheckpointRow.select(CheckpointRow.name).where(is_ahead).order_by(CheckpointRow.name)
    return await names.output(as_list=True)


async def find_pushed_series(now_ms: int) -> list[int]:
    """Series of push monitors with reports in the future, whose real time of arrival is unknown."""
    found = await db.rows(_FUTURE_PUSHES, 1 << SERIES_SHIFT, _relative(now_ms + FUTURE_TOLERANCE_MS), PUSHED)
    return [row["no"] for row in found]


async def repair(now_ms: int) -> int:
    """Move instants that delay something; returns how many rows."""
    ahead_ms = now_ms + FUTURE_TOLERANCE_MS
    async with db.transaction():
        await _lock_channels()
        moved = len(await db.rows(_RELEASE_PENDING, ahead_ms, now_ms))
        moved += len(await db.rows(_SHORTEN_LEASES, ahead_ms + LEASE_MS, now_ms + LEASE_MS))
        moved += await _backdate_events(now_ms)
        moved += await _close_circuits(now_ms)
        moved += await _shorten_escalations(now_ms)
        moved += await _start_periods(now_ms)
        moved += await _touch_monitors(now_ms)
        moved += await _end_gaps(now_ms)
    return moved


async def _lock_channels() -> None:
    """Lock every channel (PostgreSQL), as whoever changes open deliveries does."""
    if not db.is_sqlite():
        await ChannelRow.select(ChannelRow.id).order_by(ChannelRow.id).lock_rows("NO KEY UPDATE")


def _relative(at_ms: int) -> int:
    return max(0, at_ms - EPOCH_MS)


async def _backdate_events(now_ms: int) -> int:
    """Backdate events with open deliveries, which go in the order of their events, so that new ones queue behind."""
    found = await db.rows(
        "SELECT e.id, e.at_ms FROM events e WHERE e.at_ms > ?1 AND EXISTS"
        f" (SELECT 1 FROM deliveries d WHERE d.event_id = e.id AND d.{_IS_OPEN}) ORDER BY e.at_ms",
        now_ms + FUTURE_TOLERANCE_MS,
    )
    if not found:
        return 0
    rows = [(row["id"], now_ms - len(found) + index) for index, row in enumerate(found)]
    for table, key in (("events", "id"), ("deliveries", "event_id")):
        await db.rows(
            f"UPDATE {table} SET at_ms = CAST(each.value->>1 AS BIGINT) FROM {{each:1}}"
            f" WHERE {table}.{key} = each.value->>0",
            _pairs(rows),
        )
    return len(found)


async def _close_circuits(now_ms: int) -> int:
    """Close circuits that stay open longer than the channel's failures justify, counted from now."""
    found = await db.rows(_OPEN_CIRCUITS, now_ms + FUTURE_TOLERANCE_MS)
    ids = [
        row["id"]
        for row in found
        if row["circuit_open_until_ms"] > now_ms + FUTURE_TOLERANCE_MS + backoff_s(row["temporary_failures"]) * 1_000
    ]
    if ids:
        await db.rows(
            "UPDATE channels SET circuit_open_until_ms = ?2 WHERE id IN (SELECT value->>0 FROM {each:1})",
            list_parameter(ids),
            now_ms,
        )
    return len(ids)


async def _shorten_escalations(now_ms: int) -> int:
    """Let no escalation step wait longer than its own delay."""
    rows = []
    for row in await db.rows(_ESCALATING, now_ms + FUTURE_TOLERANCE_MS):
        steps = msgspec.json.decode(row["steps"])
        latest_ms = now_ms + steps[row["escalation_step"] % len(steps)]["after"] * 1_000 if steps else now_ms
        if row["next_escalation_ms"] > latest_ms + FUTURE_TOLERANCE_MS:
            rows.append((row["id"], latest_ms))
    if rows:
        await db.rows(
            "UPDATE incidents SET next_escalation_ms = CAST(each.value->>1 AS BIGINT) FROM {each:1}"
            " WHERE incidents.id = each.value->>0",
            _pairs(rows),
        )
    return len(rows)


async def _start_periods(now_ms: int) -> int:
    """Start schedule periods now that were stored with a start in the future."""
    found = await db.rows(_FUTURE_PERIODS, now_ms + FUTURE_TOLERANCE_MS)
    current = await _periods_at([row["no"] for row in found], now_ms)
    started = 0
    for row in found:
        period = series.period_of(row, now_ms)
        if (current.get(row["no"]) or (0,))[1:] != period[1:]:
            await series.start_period([row["no"]], period)
            started += 1
    return started


async def _periods_at(numbers: Sequence[int], at_ms: int) -> dict[int, SchedulePeriod]:
    found: Any = await db.rows(
        "SELECT e.* FROM schedule_periods e WHERE e.from_ms <= ?2 AND e.series IN (SELECT CAST(value->>0 AS"
        " BIGINT) FROM {each:1})"
        " ORDER BY e.from_ms",
        list_parameter(numbers),
        at_ms,
    )
    return {
        row["series"]: SchedulePeriod(row["from_ms"], row["interval_ms"], row["cron"], row["timezone"]) for row in found
    }


async def _touch_monitors(now_ms: int) -> int:
    """Set changes of monitors to now; push monitors wait for their first report from now on."""
    moved = await db.rows(
        "UPDATE monitors SET updated_ms = ?2, version = version + CASE WHEN type = 'push' THEN 1 ELSE 0 END,"
        " created_ms = CASE WHEN created_ms > ?2 THEN CAST(?2 AS BIGINT) ELSE created_ms END"
        " WHERE updated_ms > ?1 RETURNING id",
        now_ms + FUTURE_TOLERANCE_MS,
        now_ms,
    )
    return len(moved)


async def _end_gaps(now_ms: int) -> int:
    """Cut gaps off at now, so that the history shows future slots that are really missed."""
    ahead_ms = now_ms + FUTURE_TOLERANCE_MS
    removed = await GapRow.delete().where(GapRow.from_ms > ahead_ms).returning(GapRow.from_ms)
    ended = await GapRow.update({GapRow.to_ms: now_ms}).where(GapRow.to_ms > ahead_ms).returning(GapRow.from_ms)
    return len(removed) + len(ended)


def _pairs(rows: Sequence[tuple[str, int]]) -> str:
    """Rows as `{each:1}` expands them."""
    return msgspec.json.encode(rows).decode()
