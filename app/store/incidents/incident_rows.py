"""Incident rows: reading one, and converting it for the API, the rules and events. Written as SQL: a join."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from app import clock, db
from app.domain.incidents.lifecycle import OutageState
from app.errors import NoSuch
from app.store import visibility
from app.store.incidents import timeline
from app.store.visibility import TagScope
from schema.incidents import AffectedMonitor, Incident, IncidentDetail, IncidentKind, IncidentStatus

SELECT_INCIDENTS = (
    "SELECT i.*, COALESCE(m.name, i.kept_monitor_name) AS monitor_name,"
    " COALESCE(m.type, i.kept_monitor_type) AS monitor_type, m.id AS living_monitor_id FROM incidents i"
    " LEFT JOIN monitors m ON m.id = i.monitor_id"
)


class StoredIncident(Struct, frozen=True, kw_only=True):
    """A row of `incidents`, with the name and type of its monitor, empty without one.

    living_monitor_id    its monitor, unless that was deleted
    """

    id: str
    kind: IncidentKind
    monitor_id: str | None
    title: str
    is_public: bool
    started_ms: int
    detected_ms: int
    acknowledged_ms: int | None
    acknowledged_by: str
    resolved_ms: int | None
    post_mortem: str
    escalation_id: str | None
    next_escalation_ms: int | None
    version: int
    created_ms: int
    updated_ms: int
    monitor_name: str
    monitor_type: str
    living_monitor_id: str | None


def visible_incidents_sql(number: int) -> str:
    """SQL condition: the incident's monitor is visible, or it has none. ?number as in `visibility`."""
    return f"(i.monitor_id IS NULL OR {visibility.visible_monitors_sql('i.monitor_id', number)})"


async def get_row(incident_id: str, *, lock: bool = False, visible_to: TagScope = None) -> StoredIncident:
    """A stored incident. Raises NoSuch."""
    locked = " FOR UPDATE OF i" if lock and not db.is_sqlite() else ""
    found = await db.rows(
        f"{SELECT_INCIDENTS} WHERE i.id = ?1 AND {visible_incidents_sql(2)}{locked}",
        incident_id,
        visibility.tags_parameter(visible_to),
    )
    if not found:
        raise NoSuch("incident", incident_id)
    return stored_incident(found[0])


def stored_incident(row: Mapping[str, Any]) -> StoredIncident:
    """A row of `SELECT_INCIDENTS` as a struct."""
    return msgspec.convert(dict(row), StoredIncident)


async def get(incident_id: str, visible_to: TagScope = None) -> IncidentDetail:
    """One incident with its timeline. Raises NoSuch, also when it is not visible."""
    incident = incident_of(await get_row(incident_id, visible_to=visible_to))
    return IncidentDetail(**asdict(incident), timeline=await timeline.list_entries(incident_id, visible_to))


def incident_of(stored: StoredIncident) -> Incident:
    """An incident as the API lists it."""
    lasted_ms = None if stored.resolved_ms is None else max(0, stored.resolved_ms - stored.started_ms)
    return Incident(
        id=stored.id,
        kind=stored.kind,
        status=_status_of(stored),
        title=stored.title,
        monitor=_affected_monitor_of(stored),
        is_public=stored.is_public,
        started_at=clock.instant(stored.started_ms),
        detected_at=clock.instant(stored.detected_ms),
        acknowledged_at=clock.instant_or_none(stored.acknowledged_ms),
        acknowledged_by=stored.acknowledged_by,
        resolved_at=clock.instant_or_none(stored.resolved_ms),
        duration=None if lasted_ms is None else lasted_ms / 1000,
        escalation_id=stored.escalation_id,
        next_escalation_at=clock.instant_or_none(stored.next_escalation_ms),
        post_mortem=stored.post_mortem,
        version=stored.version,
        created_at=clock.instant(stored.created_ms),
        updated_at=clock.instant(stored.updated_ms),
    )


def _affected_monitor_of(stored: StoredIncident) -> AffectedMonitor | None:
    if stored.monitor_id is None:
        return None
    return AffectedMonitor(
        id=stored.monitor_id,
        name=stored.monitor_name,
        type=stored.monitor_type,
        is_deleted=stored.living_monitor_id is None,
    )


def outage_state_of(stored: StoredIncident) -> OutageState:
    """An incident as `app.domain.incidents.lifecycle` needs it."""
    return OutageState(
        id=stored.id,
        monitor_id=stored.monitor_id,
        title=stored.title,
        started_ms=stored.started_ms,
        detected_ms=stored.detected_ms,
        is_acknowledged=stored.acknowledged_ms is not None,
        resolved_ms=stored.resolved_ms,
    )


def event_data_of(stored: StoredIncident) -> dict[str, Any]:
    """The data of an incident's event: its monitor, if any, and its start."""
    monitor = {"id": stored.monitor_id, "name": stored.monitor_name, "type": stored.monitor_type}
    about = {"monitor": monitor} if stored.monitor_name else {}
    return {**about, "started_at": clock.instant(stored.started_ms)}


def _status_of(stored: StoredIncident) -> IncidentStatus:
    if stored.resolved_ms is not None:
        return IncidentStatus.RESOLVED
    return IncidentStatus.OPEN if stored.acknowledged_ms is None else IncidentStatus.ACKNOWLEDGED
