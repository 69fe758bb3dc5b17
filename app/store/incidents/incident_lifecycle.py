"""Incidents of outages: opened and resolved in the transactions that store results and changes of monitors.

Written as SQL: unions, and batches over JSON arrays.
"""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import uuid4

import msgspec

from app import clock, db
from app.domain.incidents import lifecycle
from app.domain.incidents.lifecycle import OUTAGE_EVENTS, NewTimelineEntry, OutageState
from app.store.alerting import outbox
from app.store.incidents import timeline
from app.store.sql import list_parameter
from app.store.tables.incidents import IncidentRow
from schema.events import Event, EventKind
from schema.heartbeats import EPOCH_MS, SERIES_SHIFT
from schema.incidents import EntryKind
from schema.monitors import Monitor
from schema.status import Status

# events that end the watch on a monitor, and the timeline's sentence for each
CLOSING_EVENTS = {
    EventKind.MONITOR_PAUSED: "The monitor was paused.",
    EventKind.MONITOR_DELETED: "The monitor was deleted.",
}
STILL_DOWN = "The monitor is still down."
# requires a failing check since the last change, so that a pause that has just ended proves nothing
_DOWN_WITHOUT_INCIDENT = (
    "SELECT m.id, m.name, m.type, CASE WHEN EXISTS (SELECT 1 FROM incidents i WHERE i.monitor_id = m.id"
    " AND i.started_ms = s.failing_since_ms) THEN m.updated_ms ELSE s.failing_since_ms END AS started_ms,"
    " EXISTS (SELECT 1 FROM incidents i WHERE i.monitor_id = m.id AND i.kind = 'automatic'"
    " AND i.started_ms >= s.failing_since_ms) AS again, s.no"
    f" FROM series s JOIN monitors m ON m.id = s.monitor_id WHERE s.status = {Status.DOWN:d} AND s.location = ''"
    " AND s.alerted_ms IS NOT NULL AND s.failing_since_ms IS NOT NULL AND m.active AND NOT EXISTS (SELECT 1"
    " FROM incidents i WHERE i.monitor_id = m.id AND i.kind = 'automatic' AND i.resolved_ms IS NULL)"
    f" AND EXISTS (SELECT 1 FROM heartbeats h WHERE h.status = {Status.DOWN:d}"
    f" AND h.id >= s.no * {1 << SERIES_SHIFT} + m.updated_ms - {EPOCH_MS} AND h.id < (s.no + 1) * {1 << SERIES_SHIFT})"
)
_AUTOMATIC = (
    "SELECT i.id, i.monitor_id, i.title, i.started_ms, i.detected_ms, i.acknowledged_ms, i.resolved_ms"
    " FROM {each:1} JOIN incidents i ON i.monitor_id = each.value->>0 AND i.kind = 'automatic'"
)
# two statements in one: each has an index, their "or" has none
_OPEN_OR_SAME_START = (
    f"{_AUTOMATIC} AND i.resolved_ms IS NULL UNION {_AUTOMATIC} AND i.started_ms = CAST(each.value->>1 AS BIGINT)"
)

_json = msgspec.json.Encoder()


async def apply_events(events: Sequence[Event], now_ms: int) -> list[Event]:
    """Open and resolve incidents by monitor events, inside the caller's transaction, which has locked their series.

    returns  the given events, each with its incident, and the incidents' own events
    """
    outages = [(e.monitor_id, lifecycle.started_ms_of(e)) for e in events if e.event in OUTAGE_EVENTS and e.monitor_id]
    if not outages:
        return list(events)
    changes = lifecycle.changes_from(events, await _find_outages(outages))
    await _insert(list(changes.opened.values()), now_ms)
    await _mark_resolved(list(changes.resolved.values()), now_ms)
    await timeline.add_entries(changes.entries)
    return changes.events


async def close_for_monitor(monitor: Monitor, kinds: Sequence[EventKind], now_ms: int) -> list[Event]:
    """Resolve the open incident of a monitor that was paused or deleted, inside the caller's transaction.

    kinds    events of the change; without a pause or a deletion nothing happens
    returns  events that the caller stores and publishes
    """
    kind = next((kind for kind in kinds if kind in CLOSING_EVENTS), None)
    return [] if kind is None else await close_without_recovery(monitor, kind, CLOSING_EVENTS[kind], now_ms)


async def close_without_recovery(monitor: Monitor, kind: EventKind, why: str, now_ms: int) -> list[Event]:
    """Resolve the open incident of a monitor whose recovery will not be seen; like `close_for_monitor` otherwise.

    kind  the event that ended it
    why   the timeline's sentence for it
    """
    await _lock_series([monitor.id])
    still_open = [one for one in await _find_outages([(monitor.id, 0)]) if one.resolved_ms is None]
    resolved = [msgspec.structs.replace(one, resolved_ms=now_ms) for one in still_open]
    await _mark_resolved(resolved, now_ms)
    await timeline.add_entries(NewTimelineEntry(one.id, now_ms, EntryKind.RESOLVED, why) for one in resolved)
    about = {"id": monitor.id, "name": monitor.name, "type": monitor.type}
    return [lifecycle.closed_event(one, now_ms, kind, monitor=about, msg=why) for one in resolved]


async def keep_monitor_name(monitor: Monitor) -> None:
    """Store a monitor's name and type with its incidents, inside the transaction that deletes it."""
    values: dict[Any, Any] = {
        IncidentRow.kept_monitor_name: monitor.name,
        IncidentRow.kept_monitor_type: monitor.type,
    }
    await IncidentRow.update(values).where(IncidentRow.monitor_id == monitor.id)


async def open_missing(now_ms: int) -> list[Event]:
    """Open incidents of monitors that are down without one: from an older version, or down again after a pause."""
    candidates = await db.rows(_DOWN_WITHOUT_INCIDENT)
    if not candidates:
        return []
    async with db.transaction():
        locked = {row["id"] for row in candidates}
        await _lock_series(locked)
        # again: this one sees what was committed while the lock was waited for
        found = [row for row in await db.rows(_DOWN_WITHOUT_INCIDENT) if row["id"] in locked]
        opened = [
            OutageState(
                id=str(uuid4()),
                monitor_id=row["id"],
                title=lifecycle.incident_title(row["name"]),
                started_ms=row["started_ms"],
                detected_ms=now_ms,
            )
            for row in found
        ]
        await _insert(opened, now_ms)
        await timeline.add_entries(NewTimelineEntry(one.id, now_ms, EntryKind.DETECTED, STILL_DOWN) for one in opened)
        events = [
            event for one, row in zip(opened, found, strict=True) for event in _still_down_events(one, row, now_ms)
        ]
        await _set_alerted([row["no"] for row in found if row["again"]], now_ms)
        await outbox.record_events(events, now_ms)
    return events


def _still_down_events(outage: OutageState, row: Any, now_ms: int) -> list[Event]:
    """The incident's event; also the outage's, when its end was alerted because of the pause."""
    facts = {
        "monitor": {"id": row["id"], "name": row["name"], "type": row["type"]},
        "msg": STILL_DOWN,
        "status": int(Status.DOWN),
        "started_at": clock.instant(outage.started_ms),
    }
    kinds = [EventKind.MONITOR_DOWN] * bool(row["again"]) + [EventKind.INCIDENT_OPENED]
    return [lifecycle.incident_event(kind, outage, now_ms, **facts) for kind in kinds]


async def _set_alerted(series: Sequence[int], now_ms: int) -> None:
    """Store that these outages are alerted now; suppressed deliveries are found by this time."""
    if series:
        await db.rows(
            "UPDATE series SET alerted_ms = ?2 WHERE no IN (SELECT CAST(value->>0 AS BIGINT) FROM {each:1})",
            _json.encode([[no] for no in series]).decode(),
            now_ms,
        )


async def _lock_series(monitor_ids: Collection[str]) -> None:
    """Lock the monitors' incidents (PostgreSQL) by their series, in the order in which storing results locks them."""
    if not db.is_sqlite():
        locked = "SELECT no FROM series WHERE monitor_id IN (SELECT value->>0 FROM {each:1}) ORDER BY no FOR UPDATE"
        await db.rows(locked, list_parameter(monitor_ids))


async def _find_outages(outages: Collection[tuple[str, int]]) -> list[OutageState]:
    """(monitor, start of an outage) → the monitors' open incidents, and those that began then."""
    found = await db.rows(_OPEN_OR_SAME_START, _json.encode(sorted(outages)).decode())
    return [
        OutageState(
            id=row["id"],
            monitor_id=row["monitor_id"],
            title=row["title"],
            started_ms=row["started_ms"],
            detected_ms=row["detected_ms"],
            is_acknowledged=row["acknowledged_ms"] is not None,
            resolved_ms=row["resolved_ms"],
        )
        for row in found
    ]


async def _insert(opened: Sequence[OutageState], now_ms: int) -> None:
    """Store new incidents; those of monitors with an escalation wait for its first step."""
    if not opened:
        return
    escalations = await _escalations_by_monitor({str(one.monitor_id) for one in opened if one.resolved_ms is None})
    rows = []
    for one in opened:
        escalation_id, after_s = escalations.get(str(one.monitor_id), (None, 0))
        next_escalation_ms = None if escalation_id is None or one.resolved_ms is not None else now_ms + after_s * 1000
        times = (one.started_ms, one.detected_ms, one.resolved_ms)
        rows.append((one.id, one.monitor_id, one.title, *times, escalation_id, next_escalation_ms))
    await db.rows(
        "INSERT INTO incidents (id, monitor_id, title, started_ms, detected_ms, resolved_ms, escalation_id,"
        " next_escalation_ms, created_ms, updated_ms) SELECT value->>0, value->>1, value->>2, CAST(value->>3 AS"
        " BIGINT),"
        " CAST(value->>4 AS BIGINT), CAST(value->>5 AS BIGINT), value->>6, CAST(value->>7 AS BIGINT),"
        " CAST(?2 AS BIGINT), CAST(?2 AS BIGINT) FROM {each:1}",
        _json.encode(rows).decode(),
        now_ms,
    )


async def _escalations_by_monitor(monitor_ids: Collection[str]) -> dict[str, tuple[str, int]]:
    """Monitor → its escalation, and the seconds until the first step."""
    found = await db.rows(
        "SELECT m.id AS monitor_id, x.id, x.steps FROM {each:1} JOIN monitors m ON m.id = each.value->>0"
        " JOIN escalations x ON x.id = m.escalation_id",
        list_parameter(sorted(monitor_ids)),
    )
    return {row["monitor_id"]: (row["id"], msgspec.json.decode(row["steps"])[0]["after"]) for row in found}


async def _mark_resolved(resolved: Sequence[OutageState], now_ms: int) -> None:
    if resolved:
        await db.rows(
            "UPDATE incidents SET resolved_ms = CAST(each.value->>1 AS BIGINT), next_escalation_ms = NULL,"
            " version = version + 1, updated_ms = ?2 FROM {each:1} WHERE incidents.id = each.value->>0",
            _json.encode([(one.id, one.resolved_ms) for one in resolved]).decode(),
            now_ms,
        )
