"""Dependencies: the parents of each monitor, and what an outage of a parent changes.

While a parent is down, deliveries of its children are suppressed. When it is up again they are released, and sent if
the child is still down (`app.domain.alerting.delivery_rules`).
Written as SQL: recursive queries, joins, and batches over JSON arrays.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from app import db
from app.domain.alerting import delivery_rules
from app.domain.monitoring import dependencies
from app.errors import Invalid, require_known
from app.store import visibility
from app.store.monitoring import rows, series
from app.store.sql import list_parameter
from app.store.tables.monitors import DependencyRow
from app.store.visibility import TagScope
from schema.deliveries import ReasonCode
from schema.events import Event, EventKind
from schema.heartbeats import SERIES_SHIFT, slot_of_key
from schema.jobs import MonitorSchedule
from schema.status import Status

UNKNOWN_PARENT = "must be the id of a monitor that exists"
LOCK = 5_201_402  # any number of our own; held until the transaction ends
RECHECK_SPACING_MS = 1_000  # a parent is not rechecked more often, however many children fail
MAX_HOLD_MS = 30_000  # the longest that an alert waits for checks of parents
MAX_RELEASE_MS = delivery_rules.RELEASE_WINDOW_MS  # the longest that a released delivery waits for a check of the child

_NEWEST = "(SELECT max(h.id) FROM heartbeats h WHERE h.id >= s.no * ?2 AND h.id < (s.no + 1) * ?2) AS newest"
_ANCESTORS = (
    "WITH RECURSIVE upward(monitor_id, parent_id) AS (SELECT monitor_id, parent_id FROM dependencies"
    " WHERE monitor_id IN (SELECT value->>0 FROM {each:1})"
    " UNION SELECT d.monitor_id, d.parent_id FROM dependencies d JOIN upward ON d.monitor_id = upward.parent_id)"
    " SELECT monitor_id, parent_id FROM upward ORDER BY monitor_id, parent_id"
)
_PARENT_STATES = (
    f"SELECT m.id, m.name, m.active, m.interval_s, m.cron, m.timeout_ms, s.status, s.alerted_ms, {_NEWEST}"
    " FROM monitors m JOIN series s ON s.monitor_id = m.id AND s.location = ''"
    " WHERE m.id IN (SELECT value->>0 FROM {each:1}) ORDER BY s.no"
)
_UNCERTAIN_PARENTS = (
    f"SELECT {series.SCHEDULE_COLUMNS}, {_NEWEST}" + " FROM {each:1} JOIN monitors m ON m.id = each.value->>0"
    f" JOIN series s ON s.monitor_id = m.id AND s.location = ''{series.WHERE_SCHEDULED} AND s.alerted_ms IS NULL"
)
_CHECK_CYCLE = "m.interval_s * 1000 + m.timeout_ms"  # within this time the schedule checks a monitor
_RELEASABLE = (
    "WITH RECURSIVE hung(id) AS (SELECT value->>0 FROM {each:1}"
    " UNION SELECT d.monitor_id FROM dependencies d JOIN hung ON d.parent_id = hung.id)"
    " SELECT d.id FROM series s JOIN monitors m ON m.id = s.monitor_id JOIN deliveries d ON d.monitor_id = s.monitor_id"
    " WHERE s.location = '' AND m.active AND s.monitor_id IN (SELECT id FROM hung)"
    " AND (d.at_ms = s.alerted_ms"  # of the current outage
    " OR (d.at_ms > s.alerted_ms AND d.event_id IN (SELECT e.id FROM events e JOIN incidents i"
    f" ON i.id = e.incident_id WHERE e.monitor_id = s.monitor_id AND e.kind = '{EventKind.INCIDENT_ESCALATED}'"
    " AND i.resolved_ms IS NULL AND i.acknowledged_ms IS NULL)))"
    f" AND d.state = 'suppressed' AND d.reason_code = '{ReasonCode.PARENT_DOWN}' ORDER BY d.id"
)
_RELEASE = (
    "UPDATE deliveries SET state = 'pending', reason_code = '', error = '', hold = 'held',"
    " lease_until_ms = 0, released_ms = CAST(?2 AS BIGINT), age_from_ms = CAST(?2 AS BIGINT),"
    " next_attempt_ms = CAST(?2 AS BIGINT)"
    f" + CASE WHEN m.interval_s = 0 OR {_CHECK_CYCLE} > {MAX_RELEASE_MS} THEN {MAX_RELEASE_MS} ELSE {_CHECK_CYCLE} END"
    " FROM {each:1} CROSS JOIN monitors m WHERE deliveries.id = each.value->>0 AND m.id = deliveries.monitor_id"
    " RETURNING deliveries.monitor_id"
)


class Recheck(Struct, frozen=True):
    """A series that must be checked before its next slot.

    at_ms  when, epoch milliseconds
    """

    schedule: MonitorSchedule
    at_ms: int


class ParentState(Struct, frozen=True, kw_only=True):
    """The state of a parent, as far as it matters to its children.

    alerted_ms  the slot at which its outage was alerted; 0: it is not down
    newest_ms   the slot of its newest heartbeat
    hold_ms     how long children wait for a check of it; 0: it has no schedule, or is paused
    """

    name: str
    alerted_ms: int
    status: Status
    newest_ms: int
    hold_ms: int

    @property
    def is_down(self) -> bool:
        """Whether it is active and its outage was alerted."""
        return self.alerted_ms > 0

    def is_uncertain(self, since_ms: int) -> bool:
        """Whether it may have been down at that time, and a check is still due; an earlier one proves nothing."""
        unchecked = self.status is Status.PENDING or self.newest_ms < since_ms
        return unchecked and not self.is_down and self.hold_ms > 0


async def parents_of(monitor_ids: Iterable[str], visible_to: TagScope = None) -> dict[str, list[str]]:
    """Visible parents by monitor; monitors without parents are absent."""
    found = await db.rows(
        "SELECT monitor_id, parent_id FROM dependencies WHERE monitor_id IN (SELECT value->>0 FROM {each:1})"
        f" AND {visibility.visible_monitors_sql('parent_id', 2)} ORDER BY monitor_id, parent_id",
        list_parameter(monitor_ids),
        visibility.tags_parameter(visible_to),
    )
    return _parents_by_monitor(found)


async def set_parents(monitor_id: str, parent_ids: Sequence[str]) -> None:
    """Give a monitor exactly these parents. Raises Invalid for unknown ones, and for cycles."""
    await DependencyRow.delete().where(DependencyRow.monitor_id == monitor_id)
    if not parent_ids:
        return
    await db.advisory_lock(LOCK)  # changes wait for each other, so that two can't create a cycle together
    cycle = dependencies.find_cycle(monitor_id, parent_ids, await ancestors(parent_ids))
    if cycle:
        raise Invalid.for_field("parent_ids", f"would make the monitor depend on itself: {await _path_names(cycle)}")
    inserted = await db.rows(
        "INSERT INTO dependencies (monitor_id, parent_id) SELECT CAST(?1 AS TEXT), id FROM monitors"
        " WHERE id IN (SELECT value->>0 FROM {each:2}) RETURNING parent_id",
        monitor_id,
        list_parameter(parent_ids),
    )
    require_known("parent_ids", parent_ids, {row["parent_id"] for row in inserted}, UNKNOWN_PARENT)


async def ancestors(monitor_ids: Iterable[str]) -> dict[str, list[str]]:
    """Child → parents, of these monitors and of all their ancestors."""
    return _parents_by_monitor(await db.rows(_ANCESTORS, list_parameter(monitor_ids)))


async def parent_states(monitor_ids: Iterable[str]) -> dict[str, ParentState]:
    """The states of these monitors, locked until the transaction ends. Those that change right now are absent."""
    # SKIP LOCKED: a transaction that stores results could wait for us in turn
    locked = "" if db.is_sqlite() else " FOR SHARE OF s, m SKIP LOCKED"
    found = await db.rows(_PARENT_STATES + locked, list_parameter(monitor_ids), 1 << SERIES_SHIFT)
    return {row["id"]: _parent_state_of(row) for row in found}


async def common_parent(monitor_ids: Iterable[str]) -> str | None:
    """The name of the nearest monitor that is each of these or an ancestor of it; None when there is none."""
    ids = list(monitor_ids)
    shared = dependencies.common_ancestor(ids, await ancestors(ids))
    return None if shared is None else (await _names([shared])).get(shared)


async def rechecks_after(events: Iterable[Event], now_ms: int) -> list[Recheck]:
    """Apply outages and recoveries to dependent monitors, in the transaction that stores the events.

    returns  what to check: parents that may be down as well, and children that may be up again
    """
    changes = [
        (event.event, event.monitor_id) for event in events if event.monitor_id and not event.data.get("reminder")
    ]
    down = [id_ for kind, id_ in changes if kind is EventKind.MONITOR_DOWN]
    up = [id_ for kind, id_ in changes if kind is EventKind.MONITOR_UP]
    rechecks = await _uncertain_parents(down, now_ms) if down else []
    if up:
        rechecks += [Recheck(schedule, now_ms) for schedule in await release_suppressed(up, now_ms)]
    return rechecks


async def release_suppressed(monitor_ids: Iterable[str], now_ms: int) -> list[MonitorSchedule]:
    """Release suppressed deliveries of these monitors and all their descendants, as far as those are still down.

    They are due after the time of one more check; returns the schedules of those that would not be checked by then.
    """
    # in the order of their ids: another parent of the same monitors may recover at the same time
    locked = "" if db.is_sqlite() else " FOR NO KEY UPDATE OF d"
    releasable = await db.rows(_RELEASABLE + locked, list_parameter(monitor_ids))
    if not releasable:
        return []
    released = await db.rows(_RELEASE, list_parameter(row["id"] for row in releasable), now_ms)
    schedules = await series.schedules_of({row["monitor_id"] for row in released})
    return [schedule for schedule in schedules if not 0 < schedule.interval_ms <= MAX_RELEASE_MS - schedule.timeout_ms]


async def _uncertain_parents(monitor_ids: Iterable[str], now_ms: int) -> list[Recheck]:
    """Rechecks of parents that are not known to be down, and were not checked since."""
    parents = {id_ for ids in (await parents_of(monitor_ids)).values() for id_ in ids}
    found = await db.rows(_UNCERTAIN_PARENTS, list_parameter(parents), 1 << SERIES_SHIFT) if parents else []
    return [
        Recheck(
            rows.schedule_of(row), now_ms if newest_ms <= now_ms - RECHECK_SPACING_MS else now_ms + RECHECK_SPACING_MS
        )
        for row in found
        if (newest_ms := _newest_ms(row)) < now_ms
    ]


async def _path_names(path: Sequence[str]) -> str:
    names = await _names(path)
    return " → ".join(names.get(id_, id_) for id_ in path)


async def _names(monitor_ids: Iterable[str]) -> dict[str, str]:
    found = await db.rows(
        "SELECT id, name FROM monitors WHERE id IN (SELECT value->>0 FROM {each:1})", list_parameter(monitor_ids)
    )
    return {row["id"]: row["name"] for row in found}


def _parents_by_monitor(found: Iterable[Any]) -> dict[str, list[str]]:
    parents: dict[str, list[str]] = {}
    for row in found:
        parents.setdefault(row["monitor_id"], []).append(row["parent_id"])
    return parents


def _parent_state_of(row: Any) -> ParentState:
    is_scheduled = row["active"] and (row["interval_s"] or row["cron"])
    cycle_ms = row["interval_s"] * 1000 + row["timeout_ms"] if row["interval_s"] else MAX_HOLD_MS
    return ParentState(
        name=row["name"],
        alerted_ms=row["alerted_ms"] or 0 if row["active"] else 0,
        status=Status(row["status"]),
        newest_ms=_newest_ms(row),
        hold_ms=min(cycle_ms, MAX_HOLD_MS) if is_scheduled else 0,
    )


def _newest_ms(row: Any) -> int:
    return slot_of_key(row["newest"])[1] if row["newest"] else 0
