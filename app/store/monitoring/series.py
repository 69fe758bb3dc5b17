"""Series: a monitor as the engine room sees it, by number. What to check, how often, and since when."""

from collections.abc import Collection, Sequence
from typing import Any

from msgspec.structs import replace

from app import db
from app.domain.history.completeness import Era
from app.errors import Conflict, NoSuch
from app.store.monitoring import proxies, rows
from app.store.sql import listed
from schema.jobs import Plan
from schema.monitors import Snapshot

SEEN = "SELECT m.*, s.no, s.status, s.since_ms FROM monitors m JOIN series s ON s.monitor_id = m.id"
DUE = "s.no, m.interval_s, m.cron, m.timezone, m.timeout_ms, m.version"  # what a plan is made of
SCHEDULED = " WHERE m.active AND (m.interval_s > 0 OR m.cron <> '')"
_LISTED = " WHERE s.no IN (SELECT CAST(value->>0 AS BIGINT) FROM {each:1})"


async def snapshots(series: Collection[int]) -> list[Snapshot]:
    """What workers need of these series, secrets opened. Deleted ones are absent, paused ones are not."""
    found = await db.rows(SEEN + _LISTED, listed(series))
    return await _with_proxies([rows.snapshot_of(row) for row in found])


async def _with_proxies(found: list[Snapshot]) -> list[Snapshot]:
    """The same, each with the proxy its checks go through."""
    wanted = {one.series: str(getattr(one.target, "proxy_id", "")) for one in found}
    known = await proxies.opened({proxy_id for proxy_id in wanted.values() if proxy_id})
    return [replace(one, proxy=known[wanted[one.series]]) if wanted[one.series] in known else one for one in found]


async def plans_of(monitor_ids: Collection[str]) -> list[Plan]:
    """The plans of these monitors, as far as they are due by themselves."""
    chosen = " AND m.id IN (SELECT value->>0 FROM {each:1})"
    joined = f"SELECT {DUE} FROM monitors m JOIN series s ON s.monitor_id = m.id{SCHEDULED}"
    return [rows.plan_of(row) for row in await db.rows(joined + chosen, listed(monitor_ids))]


async def plans() -> list[Plan]:
    """Every active series that is due by itself: what the due set must hold."""
    found = await db.rows(f"SELECT {DUE} FROM monitors m JOIN series s ON s.monitor_id = m.id{SCHEDULED}")
    return [rows.plan_of(row) for row in found]


async def pushed(token: str) -> Snapshot | None:
    """Whose push address this token is part of; None for nobody's. Raises Conflict while the monitor is paused."""
    found = await db.rows(SEEN + " WHERE s.location = '' AND m.push_key = ?1", rows.key_of_token(token))
    if not found:
        return None
    if not found[0]["active"]:
        raise Conflict("The monitor is paused: resume it before it can be pushed to.")
    return rows.snapshot_of(found[0])


async def plan_of(monitor_id: str) -> Plan:
    """How often a monitor's first series is due, or would be while it is paused. Raises NoSuch."""
    found = await db.rows(SEEN + " WHERE s.location = '' AND m.id = ?1", monitor_id)
    if not found:
        raise NoSuch("monitor", monitor_id)
    return rows.plan_of(found[0])


async def add(monitor_id: str) -> int:
    """A new monitor's first series; returns its number."""
    made = await db.rows("INSERT INTO series (monitor_id, location) VALUES (?1, '') RETURNING no", monitor_id)
    return int(made[0]["no"])


async def of(monitor_id: str) -> list[int]:
    """The numbers of a monitor's series."""
    found = await db.rows("SELECT no FROM series WHERE monitor_id = ?1 ORDER BY no", monitor_id)
    return [row["no"] for row in found]


async def begin_era(numbers: Sequence[int], era: Era) -> None:
    """Note that these series are due like this from the era's beginning on.

    A later one was begun by a clock that was ahead: from its time on they are due like this, too.
    """
    await db.rows(
        "INSERT INTO eras (series, from_ms, interval_ms, cron, timezone) SELECT CAST(value->>0 AS BIGINT),"
        " CAST(?2 AS BIGINT), CAST(?3 AS BIGINT), CAST(?4 AS TEXT), CAST(?5 AS TEXT) FROM {each:1} WHERE true"
        " ON CONFLICT (series, from_ms) DO UPDATE SET"
        " interval_ms = excluded.interval_ms, cron = excluded.cron, timezone = excluded.timezone",
        listed(numbers),
        *era,
    )
    await db.rows(
        "UPDATE eras SET interval_ms = ?3, cron = ?4, timezone = ?5"
        " WHERE from_ms > ?2 AND series IN (SELECT CAST(value->>0 AS BIGINT) FROM {each:1})",
        listed(numbers),
        *era,
    )


async def retire(monitor_id: str, at_ms: int) -> None:
    """The monitor is gone; housekeeping may remove the history."""
    await db.rows("UPDATE series SET deleted_ms = ?2 WHERE monitor_id = ?1", monitor_id, at_ms)


async def begin_anew(monitor_id: str, at_ms: int) -> int:
    """Begin a monitor's history anew: another series takes the place of those it had, which are nobody's then.

    returns  the number of the new one
    """
    await db.rows(
        "UPDATE series SET deleted_ms = ?2, monitor_id = '', location = CAST(no AS TEXT) WHERE monitor_id = ?1",
        monitor_id,
        at_ms,
    )
    return await add(monitor_id)


def era_of(row: Any, from_ms: int) -> Era:
    """What a monitor's row stands for in the history from then on; nothing is due while it is paused."""
    if not row["active"]:
        return Era(from_ms, 0)
    if row["cron"]:
        return Era(from_ms, 0, row["cron"], row["timezone"])
    return Era(from_ms, row["interval_s"] * 1000)
