"""Incident rows: reading one, and converting it for the API, the rules and events."""

from typing import Any

from msgspec.structs import asdict

from app import clock, db
from app.domain.incidents.lifecycle import OutageState
from app.errors import NoSuch
from app.store import visibility
from app.store.incidents import timeline
from app.store.visibility import TagScope
from schema.incidents import AffectedMonitor, Incident, IncidentDetail, IncidentKind, IncidentStatus

SELECT_INCIDENTS = (
    "SELECT i.*, m.name AS monitor_name, m.type AS monitor_type FROM incidents i"
    " LEFT JOIN monitors m ON m.id = i.monitor_id"
)


def visible_incidents_sql(number: int) -> str:
    """SQL condition: the incident's monitor is visible, or it has none. ?number as in `visibility`."""
    return f"(i.monitor_id IS NULL OR {visibility.visible_monitors_sql('i.monitor_id', number)})"


async def get_row(incident_id: str, *, lock: bool = False, visible_to: TagScope = None) -> Any:
    """An incident's columns with its monitor's name and type. Raises NoSuch."""
    locked = " FOR UPDATE OF i" if lock and not db.is_sqlite() else ""
    found = await db.rows(
        f"{SELECT_INCIDENTS} WHERE i.id = ?1 AND {visible_incidents_sql(2)}{locked}",
        incident_id,
        visibility.tags_parameter(visible_to),
    )
    if not found:
        raise NoSuch("incident", incident_id)
    return found[0]


async def get(incident_id: str, visible_to: TagScope = None) -> IncidentDetail:
    """One incident with its timeline. Raises NoSuch, also when it is not visible."""
    incident = incident_of(await get_row(incident_id, visible_to=visible_to))
    return IncidentDetail(**asdict(incident), timeline=await timeline.list_entries(incident_id, visible_to))


def incident_of(row: Any) -> Incident:
    """An incident as the API lists it."""
    started_ms, resolved_ms = row["started_ms"], row["resolved_ms"]
    return Incident(
        id=row["id"],
        kind=IncidentKind(row["kind"]),
        status=_status_of(row),
        title=row["title"],
        monitor=row["monitor_id"] and AffectedMonitor(id=row["monitor_id"], name=row["monitor_name"] or ""),
        is_public=bool(row["is_public"]),
        started_at=clock.instant(started_ms),
        detected_at=clock.instant(row["detected_ms"]),
        acknowledged_at=clock.instant_or_none(row["acknowledged_ms"]),
        acknowledged_by=row["acknowledged_by"],
        resolved_at=clock.instant_or_none(resolved_ms),
        duration=None if resolved_ms is None else max(0, resolved_ms - started_ms) / 1000,
        escalation_id=row["escalation_id"],
        next_escalation_at=clock.instant_or_none(row["next_escalation_ms"]),
        post_mortem=row["post_mortem"],
        version=row["version"],
        created_at=clock.instant(row["created_ms"]),
        updated_at=clock.instant(row["updated_ms"]),
    )


def outage_state_of(row: Any) -> OutageState:
    """An incident as `app.domain.incidents.lifecycle` needs it."""
    return OutageState(
        id=row["id"],
        monitor_id=row["monitor_id"],
        title=row["title"],
        started_ms=row["started_ms"],
        detected_ms=row["detected_ms"],
        is_acknowledged=row["acknowledged_ms"] is not None,
        resolved_ms=row["resolved_ms"],
    )


def event_data_of(row: Any) -> dict[str, Any]:
    """The data of an incident's event: its monitor, if any, and its start."""
    monitor = {"id": row["monitor_id"], "name": row["monitor_name"], "type": row["monitor_type"]}
    about = {"monitor": monitor} if row["monitor_name"] else {}
    return {**about, "started_at": clock.instant(row["started_ms"])}


def _status_of(row: Any) -> IncidentStatus:
    if row["resolved_ms"] is not None:
        return IncidentStatus.RESOLVED
    return IncidentStatus.OPEN if row["acknowledged_ms"] is None else IncidentStatus.ACKNOWLEDGED
