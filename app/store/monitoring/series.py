"""Series: the numbers under which monitors are checked. What to check, how often, and since when.

Written as SQL: joins, and batches over JSON arrays.
"""

from collections.abc import Collection, Sequence
from typing import Any

from msgspec.structs import replace

from app import db
from app.domain.history.completeness import SchedulePeriod
from app.errors import Conflict, NoSuch
from app.store.monitoring import proxies, rows
from app.store.sql import list_parameter
from app.store.tables.monitors import SeriesRow
from schema.jobs import MonitorSchedule
from schema.monitors import Snapshot

_MEMBERS = (
    "(SELECT {array:member.monitor_id} FROM (SELECT g.monitor_id FROM group_members g WHERE g.group_id = m.id"
    " ORDER BY g.position) member)"
)
SELECT_MONITORS = (
    f"SELECT m.*, CASE WHEN m.type = 'group' THEN {_MEMBERS} END AS members, s.no, s.status, s.status_since_ms"
    " FROM monitors m JOIN series s ON s.monitor_id = m.id"
)
SCHEDULE_COLUMNS = "s.no, m.interval_s, m.cron, m.timezone, m.timeout_ms, m.version"  # of `rows.schedule_of`
WHERE_SCHEDULED = " WHERE m.active AND (m.interval_s > 0 OR m.cron <> '')"
_WHERE_SERIES = " WHERE s.no IN (SELECT CAST(value->>0 AS BIGINT) FROM {each:1})"


async def list_snapshots(series: Collection[int]) -> list[Snapshot]:
    """Snapshots for workers, secrets decrypted. Deleted series are absent, paused ones are not."""
    found = await db.rows(SELECT_MONITORS + _WHERE_SERIES, list_parameter(series))
    return await _with_proxies([rows.snapshot_of(row) for row in found])


async def _with_proxies(snapshots: list[Snapshot]) -> list[Snapshot]:
    """The snapshots, each with the proxy of its target."""
    proxy_ids = [str(getattr(snapshot.target, "proxy_id", "")) for snapshot in snapshots]
    configs = await proxies.get_configs({proxy_id for proxy_id in proxy_ids if proxy_id})
    return [
        replace(snapshot, proxy=configs[proxy_id]) if proxy_id in configs else snapshot
        for snapshot, proxy_id in zip(snapshots, proxy_ids, strict=True)
    ]


async def schedules_of(monitor_ids: Collection[str]) -> list[MonitorSchedule]:
    """The schedules of these monitors, except paused and on-demand ones."""
    found = await db.rows(
        f"SELECT {SCHEDULE_COLUMNS} FROM monitors m JOIN series s ON s.monitor_id = m.id{WHERE_SCHEDULED}"
        " AND m.id IN (SELECT value->>0 FROM {each:1})",
        list_parameter(monitor_ids),
    )
    return [rows.schedule_of(row) for row in found]


async def list_schedules() -> list[MonitorSchedule]:
    """The schedule of every active series: what the due set must hold."""
    found = await db.rows(
        f"SELECT {SCHEDULE_COLUMNS} FROM monitors m JOIN series s ON s.monitor_id = m.id{WHERE_SCHEDULED}"
    )
    return [rows.schedule_of(row) for row in found]


async def find_by_push_token(token: str) -> Snapshot | None:
    """The push monitor with this token; None for an unknown one. Raises Conflict while the monitor is paused."""
    found = await db.rows(SELECT_MONITORS + " WHERE s.location = '' AND m.push_key = ?1", rows.push_token_hash(token))
    if not found:
        return None
    if not found[0]["active"]:
        raise Conflict("The monitor is paused. Resume it to push to it.")
    return rows.snapshot_of(found[0])


async def schedule_of(monitor_id: str) -> MonitorSchedule:
    """The schedule of a monitor's first series, even while it is paused. Raises NoSuch."""
    found = await db.rows(SELECT_MONITORS + " WHERE s.location = '' AND m.id = ?1", monitor_id)
    if not found:
        raise NoSuch("monitor", monitor_id)
    return rows.schedule_of(found[0])


async def create(monitor_id: str) -> int:
    """Create a new monitor's first series; returns its number."""
    (inserted,) = await SeriesRow.insert(SeriesRow(monitor_id=monitor_id)).returning(SeriesRow.no)
    return int(inserted["no"])


async def list_numbers(monitor_id: str) -> list[int]:
    """The numbers of a monitor's series."""
    numbers = SeriesRow.select(SeriesRow.no).where(SeriesRow.monitor_id == monitor_id).order_by(SeriesRow.no)
    return await numbers.output(as_list=True)


async def start_period(numbers: Sequence[int], period: SchedulePeriod) -> None:
    """Start a schedule period of these series.

    A later period was started by a clock that ran ahead: it gets the same schedule.
    """
    await db.rows(
        "INSERT INTO schedule_periods (series, from_ms, interval_ms, cron, timezone) SELECT CAST(value->>0 AS BIGINT),"
        " CAST(?2 AS BIGINT), CAST(?3 AS BIGINT), CAST(?4 AS TEXT), CAST(?5 AS TEXT) FROM {each:1} WHERE true"
        " ON CONFLICT (series, from_ms) DO UPDATE SET"
        " interval_ms = excluded.interval_ms, cron = excluded.cron, timezone = excluded.timezone",
        list_parameter(numbers),
        *period,
    )
    await db.rows(
        "UPDATE schedule_periods SET interval_ms = ?3, cron = ?4, timezone = ?5"
        " WHERE from_ms > ?2 AND series IN (SELECT CAST(value->>0 AS BIGINT) FROM {each:1})",
        list_parameter(numbers),
        *period,
    )


async def mark_deleted(monitor_id: str, at_ms: int) -> None:
    """Mark a monitor's series as deleted; housekeeping deletes the history."""
    await SeriesRow.update({SeriesRow.deleted_ms: at_ms}).where(SeriesRow.monitor_id == monitor_id)


async def restart_history(monitor_id: str, at_ms: int) -> int:
    """Restart a monitor's history: a new series replaces the old ones, which no longer belong to a monitor.

    returns  the number of the new series
    """
    await db.rows(
        "UPDATE series SET deleted_ms = ?2, monitor_id = '', location = CAST(no AS TEXT) WHERE monitor_id = ?1",
        monitor_id,
        at_ms,
    )
    return await create(monitor_id)


def period_of(row: Any, from_ms: int) -> SchedulePeriod:
    """The schedule period that a monitor's row starts; nothing is due while it is paused."""
    if not row["active"]:
        return SchedulePeriod(from_ms, 0)
    if row["cron"]:
        return SchedulePeriod(from_ms, 0, row["cron"], row["timezone"])
    return SchedulePeriod(from_ms, row["interval_s"] * 1000)
