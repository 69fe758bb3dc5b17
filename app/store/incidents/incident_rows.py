"""Rows of incidents, one by one, and what they are to people."""

from typing import Any

from msgspec.structs import asdict

from app import db
from app.domain.incidents.lifecycle import Outage, instant_of
from app.errors import NoSuch
from app.store import visibility
from app.store.incidents import timeline
from app.store.monitoring.rows import moment
from app.store.visibility import Seeing
from schema.incidents import AffectedMonitor, Incident, IncidentKind, IncidentStatus, IncidentStory

ALL = (
    "SELECT i.*, m.name AS monitor_name, m.type AS monitor_type FROM incidents i"
    " LEFT JOIN monitors m ON m.id = i.monitor_id"
)


def seen(number: int) -> str:
    """A condition: the incident is seen by who sees its monitor; without one by everybody. ?number as in `sight`."""
    return f"(i.monitor_id IS NULL OR {visibility.of_monitors('i.monitor_id', number)})"


async def row_of(incident_id: str, *, lock: bool = False, seen_by: Seeing = None) -> Any:
    """An incident's columns with its monitor's name and type. Raises NoSuch."""
    locked = " FOR UPDATE OF i" if lock and not db.is_sqlite() else ""
    found = await db.rows(f"{ALL} WHERE i.id = ?1 AND {seen(2)}{locked}", incident_id, visibility.argument(seen_by))
    if not found:
        raise NoSuch("incident", incident_id)
    return found[0]


async def read(incident_id: str, seen_by: Seeing = None) -> IncidentStory:
    """One incident with its timeline. Raises NoSuch, also for one that is not seen."""
    incident = incident_of(await row_of(incident_id, seen_by=seen_by))
    return IncidentStory(**asdict(incident), timeline=await timeline.of(incident_id, seen_by))


def incident_of(row: Any) -> Incident:
    """An incident as lists have it."""
    started_ms, resolved_ms = row["started_ms"], row["resolved_ms"]
    return Incident(
        id=row["id"],
        kind=IncidentKind(row["kind"]),
        status=_status_of(row),
        title=row["title"],
        monitor=row["monitor_id"] and AffectedMonitor(id=row["monitor_id"], name=row["monitor_name"] or ""),
        is_public=bool(row["is_public"]),
        started_at=instant_of(started_ms),
        detected_at=instant_of(row["detected_ms"]),
        acknowledged_at=moment(row["acknowledged_ms"]),
        acknowledged_by=row["acknowledged_by"],
        resolved_at=moment(resolved_ms),
        duration=None if resolved_ms is None else max(0, resolved_ms - started_ms) / 1000,
        escalation_id=row["escalation_id"],
        escalates_at=moment(row["escalate_ms"]),
        post_mortem=row["post_mortem"],
        version=row["version"],
        created_at=instant_of(row["created_ms"]),
        updated_at=instant_of(row["updated_ms"]),
    )


def outage_of(row: Any) -> Outage:
    """The same for the rules."""
    return Outage(
        id=row["id"],
        monitor_id=row["monitor_id"],
        title=row["title"],
        started_ms=row["started_ms"],
        detected_ms=row["detected_ms"],
        is_acknowledged=row["acknowledged_ms"] is not None,
        resolved_ms=row["resolved_ms"],
    )


def facts_of(row: Any) -> dict[str, Any]:
    """What an event says of it: the monitor, if it has one, and when it began."""
    told = {"id": row["monitor_id"], "name": row["monitor_name"], "type": row["monitor_type"]}
    watched = {"monitor": told} if row["monitor_name"] else {}
    return {**watched, "started_at": instant_of(row["started_ms"])}


def _status_of(row: Any) -> IncidentStatus:
    if row["resolved_ms"] is not None:
        return IncidentStatus.RESOLVED
    return IncidentStatus.OPEN if row["acknowledged_ms"] is None else IncidentStatus.ACKNOWLEDGED
