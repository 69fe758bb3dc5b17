"""Dependencies: which monitors can't be reached when another one is down, and what an outage of that one changes.

A monitor's *parents* are what it hangs on. What is held back because of them is a suppressed delivery; when they are up
again it is reopened, and told if the monitor is down all the same (`app.domain.alerting.suppression`).
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from app import db
from app.domain.alerting import suppression
from app.domain.monitoring import dependencies
from app.errors import Invalid
from app.store import visibility
from app.store.monitoring import rows, series
from app.store.sql import list_parameter
from app.store.visibility import TagScope
from schema.errors import FieldError
from schema.events import Event, EventKind
from schema.heartbeats import SERIES_SHIFT, slot_of_key
from schema.jobs import MonitorSchedule
from schema.status import Status

UNKNOWN_PARENT = "must be the id of a monitor that exists"
LOCK = 5_201_402  # a number of ours; held until the transaction ends
RECHECK_SPACING_MS = 1_000  # however many outages ask about a parent, it is not checked more often
MAX_HOLD_MS = 30_000  # an alert waits no longer for checks of parents
MAX_RELEASE_MS = suppression.RELEASE_WINDOW_MS  # a child gets no longer for a check of its own

_NEWEST = "(SELECT max(h.id) FROM heartbeats h WHERE h.id >= s.no * ?2 AND h.id < (s.no + 1) * ?2) AS newest"
_ANCESTORS = (
    "WITH RECURSIVE upward(monitor_id, parent_id) AS (SELECT monitor_id, parent_id FROM dependencies"
    " WHERE monitor_id IN (SELECT value->>0 FROM {each:1})"
    " UNION SELECT d.monitor_id, d.parent_id FROM dependencies d JOIN upward ON d.monitor_id = upward.parent_id)"
    " SELECT monitor_id, parent_id FROM upward ORDER BY monitor_id, parent_id"
)
_PARENT_STATES = (
    f"SELECT m.id, m.name, m.active, m.interval_s, m.cron, m.timeout_ms, s.status, s.told_ms, {_NEWEST}"
    " FROM monitors m JOIN series s ON s.monitor_id = m.id AND s.location = ''"
    " WHERE m.id IN (SELECT value->>0 FROM {each:1}) ORDER BY s.no"
)
_UNCERTAIN_PARENTS = (
    f"SELECT {series.SCHEDULE_COLUMNS}, {_NEWEST}" + " FROM {each:1} JOIN monitors m ON m.id = each.value->>0"
    f" JOIN series s ON s.monitor_id = m.id AND s.location = ''{series.WHERE_SCHEDULED} AND s.told_ms IS NULL"
)
_CHECK_CYCLE = "m.interval_s * 1000 + m.timeout_ms"  # within which a monitor is checked by itself
_RELEASE = (
    "WITH RECURSIVE hung(id) AS (SELECT value->>0 FROM {each:1}"
    " UNION SELECT d.monitor_id FROM dependencies d JOIN hung ON d.parent_id = hung.id)"
    " UPDATE deliveries SET state = 'pending', error = '', course = 'gated', lease_ms = 0,"
    " reopened_ms = CAST(?2 AS BIGINT), since_ms = CAST(?2 AS BIGINT), next_at_ms = CAST(?2 AS BIGINT)"
    f" + CASE WHEN m.interval_s = 0 OR {_CHECK_CYCLE} > {MAX_RELEASE_MS} THEN {MAX_RELEASE_MS} ELSE {_CHECK_CYCLE} END"
    " FROM series s JOIN monitors m ON m.id = s.monitor_id"
    " WHERE s.location = '' AND m.active AND s.monitor_id IN (SELECT id FROM hung)"
    " AND deliveries.monitor_id = s.monitor_id AND (deliveries.at_ms = s.told_ms"  # of the outage that lasts
    " OR (deliveries.at_ms > s.told_ms AND deliveries.event_id IN (SELECT e.id FROM events e JOIN incidents i"
    f" ON i.id = e.incident_id WHERE e.monitor_id = s.monitor_id AND e.kind = '{EventKind.INCIDENT_ESCALATED}'"
    " AND i.resolved_ms IS NULL AND i.acknowledged_ms IS NULL)))"
    f" AND deliveries.state = 'suppressed' AND deliveries.error LIKE '{suppression.PARENT_DOWN}%'"
    " RETURNING deliveries.monitor_id"
)


class Recheck(Struct, frozen=True):
    """A series that must be checked before its next slot.

    at_ms  when, epoch milliseconds
    """

    schedule: MonitorSchedule
    at_ms: int


class ParentState(Struct, frozen=True, kw_only=True):
    """A monitor that others hang on, as far as it matters to them.

    down_ms    the slot at which its outage was told; 0: it is not down
    newest_ms  the slot of its newest heartbeat
    hold_ms    how long others wait for a check of it; 0: it is not checked by itself
    """

    name: str
    alerted_ms: int
    status: Status
    newest_ms: int
    hold_ms: int

    @property
    def is_down(self) -> bool:
        """Whether it was told that it is down, and is looked after."""
        return self.alerted_ms > 0

    def is_uncertain(self, since_ms: int) -> bool:
        """Whether it may have been down at that time, and a check will tell; one before then proves nothing."""
        unseen = self.status is Status.PENDING or self.newest_ms < since_ms
        return unseen and not self.is_down and self.hold_ms > 0


async def parents_of(monitor_ids: Iterable[str], visible_to: TagScope = None) -> dict[str, list[str]]:
    """Parents by monitor, those that are seen; monitors without any are absent."""
    found = await db.rows(
        "SELECT monitor_id, parent_id FROM dependencies WHERE monitor_id IN (SELECT value->>0 FROM {each:1})"
        f" AND {visibility.visible_monitors_sql('parent_id', 2)} ORDER BY monitor_id, parent_id",
        list_parameter(monitor_ids),
        visibility.tags_parameter(visible_to),
    )
    return _parents_by_monitor(found)


async def set_parents(monitor_id: str, parent_ids: Sequence[str]) -> None:
    """Have a monitor hang on exactly these. Raises Invalid for monitors that do not exist, and for circles."""
    await db.rows("DELETE FROM dependencies WHERE monitor_id = ?1", monitor_id)
    if not parent_ids:
        return
    if not db.is_sqlite():  # one change at a time, so that two can't close a circle together
        await db.rows("SELECT pg_advisory_xact_lock(?1)", LOCK)
    way = dependencies.find_cycle(monitor_id, parent_ids, await ancestors(parent_ids))
    if way:
        raise Invalid.for_field("parent_ids", f"would hang the monitor on itself: {await _path_names(way)}")
    made = await db.rows(
        "INSERT INTO dependencies (monitor_id, parent_id) SELECT CAST(?1 AS TEXT), id FROM monitors"
        " WHERE id IN (SELECT value->>0 FROM {each:2}) RETURNING parent_id",
        monitor_id,
        list_parameter(parent_ids),
    )
    known = {row["parent_id"] for row in made}
    unknown = [number for number, id_ in enumerate(parent_ids) if id_ not in known]
    if unknown:
        raise Invalid([FieldError(f"parent_ids.{number}", UNKNOWN_PARENT) for number in unknown])


async def ancestors(monitor_ids: Iterable[str]) -> dict[str, list[str]]:
    """Everything that these hang on: child -> parents, of them and of all their ancestors."""
    return _parents_by_monitor(await db.rows(_ANCESTORS, list_parameter(monitor_ids)))


async def parent_states(monitor_ids: Iterable[str]) -> dict[str, ParentState]:
    """Where these stand; they do not change before the transaction ends. Those that just change are absent."""
    locked = (
        "" if db.is_sqlite() else " FOR SHARE OF s, m SKIP LOCKED"
    )  # who absorbs outcomes never waits for us in turn
    found = await db.rows(_PARENT_STATES + locked, list_parameter(monitor_ids), 1 << SERIES_SHIFT)
    return {row["id"]: _parent_state_of(row) for row in found}


async def common_parent(monitor_ids: Iterable[str]) -> str | None:
    """The name of the nearest monitor that all of these hang on, or are; None when there is none."""
    ids = list(monitor_ids)
    shared = dependencies.common_ancestor(ids, await ancestors(ids))
    return None if shared is None else (await _names([shared])).get(shared)


async def rechecks_after(events: Iterable[Event], now_ms: int) -> list[Recheck]:
    """Weigh what outages and recoveries mean to others, inside of the transaction that stores them.

    returns  what must be checked: parents that may be down as well, and children that may be up again
    """
    news = [(one.event, one.monitor_id) for one in events if one.monitor_id and not one.data.get("reminder")]
    failing = [id_ for kind, id_ in news if kind is EventKind.MONITOR_DOWN]
    back = [id_ for kind, id_ in news if kind is EventKind.MONITOR_UP]
    found = await _uncertain_parents(failing, now_ms) if failing else []
    return found + [Recheck(one, now_ms) for one in await release_suppressed(back, now_ms)] if back else found


async def release_suppressed(monitor_ids: Iterable[str], now_ms: int) -> list[MonitorSchedule]:
    """Call again for what was held back of these and of all that hang on them, as far as they are still down.

    Due when they had time for a check of their own; returns what would not be checked by then.
    """
    opened = await db.rows(_RELEASE, list_parameter(monitor_ids), now_ms)
    plans = await series.schedules_of({row["monitor_id"] for row in opened}) if opened else []
    return [one for one in plans if not 0 < one.interval_ms <= MAX_RELEASE_MS - one.timeout_ms]


async def _uncertain_parents(monitor_ids: Iterable[str], now_ms: int) -> list[Recheck]:
    """Parents of these that are not known to be down: each was checked before, if at all."""
    parents = {id_ for many in (await parents_of(monitor_ids)).values() for id_ in many}
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
    return " → ".join(names.get(one, one) for one in path)


async def _names(monitor_ids: Iterable[str]) -> dict[str, str]:
    found = await db.rows(
        "SELECT id, name FROM monitors WHERE id IN (SELECT value->>0 FROM {each:1})", list_parameter(monitor_ids)
    )
    return {row["id"]: row["name"] for row in found}


def _parents_by_monitor(rows: Iterable[Any]) -> dict[str, list[str]]:
    parents: dict[str, list[str]] = {}
    for row in rows:
        parents.setdefault(row["monitor_id"], []).append(row["parent_id"])
    return parents


def _parent_state_of(row: Any) -> ParentState:
    is_scheduled = row["active"] and (row["interval_s"] or row["cron"])
    spell_ms = row["interval_s"] * 1000 + row["timeout_ms"] if row["interval_s"] else MAX_HOLD_MS
    return ParentState(
        name=row["name"],
        alerted_ms=row["told_ms"] or 0 if row["active"] else 0,
        status=Status(row["status"]),
        newest_ms=_newest_ms(row),
        hold_ms=min(spell_ms, MAX_HOLD_MS) if is_scheduled else 0,
    )


def _newest_ms(row: Any) -> int:
    return slot_of_key(row["newest"])[1] if row["newest"] else 0
