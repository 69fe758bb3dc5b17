"""Series: a monitor as the engine room sees it, by number. What to check, how often, and since when."""

from collections.abc import Collection, Sequence
from typing import Any

from msgspec.structs import replace

from app import db
from app.domain.history.completeness import SchedulePeriod
from app.errors import Conflict, NoSuch
from app.store.monitoring import proxies, rows
from app.store.sql import list_parameter
from schema.jobs import MonitorSchedule
from schema.monitors import Snapshot

SELECT_MONITORS = "SELECT m.*, s.no, s.status, s.since_ms FROM monitors m JOIN series s ON s.monitor_id = m.id"
SCHEDULE_COLUMNS = "s.no, m.interval_s, m.cron, m.timezone, m.timeout_ms, m.version"  # what a plan is made of
WHERE_SCHEDULED = " WHERE m.active AND (m.interval_s > 0 OR m.cron <> '')"
_WHERE_SERIES = " WHERE s.no IN (SELECT CAST(value->>0 AS BIGINT) FROM {each:1})"


async def list_snapshots(series: Collection[int]) -> list[Snapshot]:
    """What workers need of these series, secrets opened. Deleted ones are absent, paused ones are not."""
    found = await db.rows(SELECT_MONITORS + _WHERE_SERIES, list_parameter(series))
    return await _with_proxies([rows.snapshot_of(row) for row in found])


async def _with_proxies(snapshots: list[Snapshot]) -> list[Snapshot]:
    """The same, each with the proxy its checks go through."""
    wanted = {one.series: str(getattr(one.target, "proxy_id", "")) for one in snapshots}
    known = await proxies.get_configs({proxy_id for proxy_id in wanted.values() if proxy_id})
    return [replace(one, proxy=known[wanted[one.series]]) if wanted[one.series] in known else one for one in snapshots]


async def schedules_of(monitor_ids: Collection[str]) -> list[MonitorSchedule]:
    """The plans of these monitors, as far as they are due by themselves."""
    chosen = " AND m.id IN (SELECT value->>0 FROM {each:1})"
    joined = f"SELECT {SCHEDULE_COLUMNS} FROM monitors m JOIN series s ON s.monitor_id = m.id{WHERE_SCHEDULED}"
    return [rows.schedule_of(row) for row in await db.rows(joined + chosen, list_parameter(monitor_ids))]


async def list_schedules() -> list[MonitorSchedule]:
    """Every active series that is due by itself: what the due set must hold."""
    found = await db.rows(
        f"SELECT {SCHEDULE_COLUMNS} FROM monitors m JOIN series s ON s.monitor_id = m.id{WHERE_SCHEDULED}"
    )
    return [rows.schedule_of(row) for row in found]


async def find_by_push_token(token: str) -> Snapshot | None:
    """Whose push address this token is part of; None for nobody's. Raises Conflict while the monitor is paused."""
    found = await db.rows(SELECT_MONITORS + " WHERE s.location = '' AND m.push_key = ?1", rows.push_token_hash(token))
    if not found:
        return None
    if not found[0]["active"]:
        raise Conflict("The monitor is paused: resume it before it can be pushed to.")
    return rows.snapshot_of(found[0])


async def schedule_of(monitor_id: str) -> MonitorSchedule:
    """How often a monitor's first series is due, or would be while it is paused. Raises NoSuch."""
    found = await db.rows(SELECT_MONITORS + " WHERE s.location = '' AND m.id = ?1", monitor_id)
    if not found:
        raise NoSuch("monitor", monitor_id)
    return rows.schedule_of(found[0])


async def create(monitor_id: str) -> int:
    """A new monitor's first series; returns its number."""
    made = await db.rows("INSERT INTO series (monitor_id, location) VALUES (?1, '') RETURNING no", monitor_id)
    return int(made[0]["no"])


async def list_numbers(monitor_id: str) -> list[int]:
    """The numbers of a monitor's series."""
    found = await db.rows("SELECT no FROM series WHERE monitor_id = ?1 ORDER BY no", monitor_id)
    return [row["no"] for row in found]


async def start_period(numbers: Sequence[int], period: SchedulePeriod) -> None:
    """Note that these series are due like this from the era's beginning on.

    A later one was begun by a clock that was ahead: from its time on they are due like this, too.
    """
    await db.rows(
        "INSERT INTO eras (series, from_ms, interval_ms, cron, timezone) SELECT CAST(value->>0 AS BIGINT),"
        " CAST(?2 AS BIGINT), CAST(?3 AS BIGINT), CAST(?4 AS TEXT), CAST(?5 AS TEXT) FROM {each:1} WHERE true"
        " ON CONFLICT (series, from_ms) DO UPDATE SET"
        " interval_ms = excluded.interval_ms, cron = excluded.cron, timezone = excluded.timezone",
        list_parameter(numbers),
        *period,
    )
    await db.rows(
        "UPDATE eras SET interval_ms = ?3, cron = ?4, timezone = ?5"
        " WHERE from_ms > ?2 AND series IN (SELECT CAST(value->>0 AS BIGINT) FROM {each:1})",
        list_parameter(numbers),
        *period,
    )


async def mark_deleted(monitor_id: str, at_ms: int) -> None:
    """The monitor is gone; housekeeping may remove the history."""
    await db.rows("UPDATE series SET deleted_ms = ?2 WHERE monitor_id = ?1", monitor_id, at_ms)


async def restart_history(monitor_id: str, at_ms: int) -> int:
    """Begin a monitor's history anew: another series takes the place of those it had, which are nobody's then.

    returns  the number of the new one
    """
    await db.rows(
        "UPDATE series SET deleted_ms = ?2, monitor_id = '', location = CAST(no AS TEXT) WHERE monitor_id = ?1",
        monitor_id,
        at_ms,
    )
    return await create(monitor_id)


def period_of(row: Any, from_ms: int) -> SchedulePeriod:
    """What a monitor's row stands for in the history from then on; nothing is due while it is paused."""
    if not row["active"]:
        return SchedulePeriod(from_ms, 0)
    if row["cron"]:
        return SchedulePeriod(from_ms, 0, row["cron"], row["timezone"])
    return SchedulePeriod(from_ms, row["interval_s"] * 1000)
