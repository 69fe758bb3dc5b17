"""Which incidents a batch of events opens and resolves. Pure.

A monitor that goes down opens an incident, retroactively from its first failing check; its recovery resolves it. A
reminder of an acknowledged incident is dropped. A monitor has at most one open incident.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import uuid4

from msgspec import Struct
from msgspec.structs import replace

from app.clock import epoch_ms, instant
from app.domain.text.message_text import format_duration
from schema.events import Event, EventKind
from schema.incidents import EntryKind

OUTAGE_EVENTS = frozenset({EventKind.MONITOR_DOWN, EventKind.MONITOR_UP})


class OutageState(Struct, frozen=True, kw_only=True):
    """An incident, as far as the next event depends on it. Epoch milliseconds; `resolved_ms` None: it is open.

    monitor_id  None: a person opened it, about something else
    """

    id: str
    monitor_id: str | None
    title: str
    started_ms: int
    detected_ms: int
    is_acknowledged: bool = False
    resolved_ms: int | None = None


class NewTimelineEntry(NamedTuple):
    """A timeline entry that is not stored yet."""

    incident_id: str
    at_ms: int
    kind: EntryKind
    text: str = ""
    author: str = ""


class IncidentChanges(Struct):
    """The changes of a batch of events.

    opened    new incidents by id; some are resolved already
    resolved  known incidents by id
    events    to be routed: the batch without needless reminders, and the events of the incidents
    """

    opened: dict[str, OutageState] = {}
    resolved: dict[str, OutageState] = {}
    entries: list[NewTimelineEntry] = []
    events: list[Event] = []


def changes_from(events: Iterable[Event], known: Iterable[OutageState]) -> IncidentChanges:
    """Apply events in their order.

    known    the open incidents of their monitors; for recoveries also those that were resolved before
    """
    changes = IncidentChanges()
    outages = list(known)
    open_by_monitor = {one.monitor_id: one for one in outages if one.monitor_id and one.resolved_ms is None}
    resolved = {(one.monitor_id, one.started_ms): one for one in outages if one.resolved_ms is not None}
    for event in events:
        if event.monitor_id is None or event.event not in OUTAGE_EVENTS:
            changes.events.append(event)
        elif event.event is EventKind.MONITOR_DOWN:
            _open_incident(event, event.monitor_id, open_by_monitor, changes)
        elif (outage := open_by_monitor.pop(event.monitor_id, None)) is not None:
            _resolve_incident(event, outage, changes)
        else:
            changes.events.append(_with_incident(event, resolved.get((event.monitor_id, started_ms_of(event)))))
    return changes


def started_ms_of(event: Event) -> int:
    """When the event's outage began: its first failing check."""
    return epoch_ms(event.data.get("started_at") or event.at)


def incident_title(name: str) -> str:
    """The title of a monitor's incident."""
    return f"{name} is down"


def incident_event(kind: EventKind, outage: OutageState, at_ms: int, **facts: Any) -> Event:
    """An event about a change of an incident."""
    data = {"incident": {"id": outage.id, "title": outage.title}, **facts}
    return Event(id=str(uuid4()), event=kind, at=instant(at_ms), monitor_id=outage.monitor_id, data=data)


def closed_event(outage: OutageState, at_ms: int, kind: EventKind, **facts: Any) -> Event:
    """The event of an incident that closes without a recovery.

    kind  why: its monitor was paused, or deleted
    """
    lasted = {"started_at": instant(outage.started_ms), "duration": max(0, at_ms - outage.started_ms) / 1000}
    return incident_event(EventKind.INCIDENT_RESOLVED, outage, at_ms, ended_by=str(kind), **lasted, **facts)


def _open_incident(
    event: Event, monitor_id: str, open_by_monitor: dict[str, OutageState], changes: IncidentChanges
) -> None:
    if (outage := open_by_monitor.get(monitor_id)) is not None:
        if not outage.is_acknowledged:
            changes.events.append(_with_incident(event, outage, reminder=True))
        return
    at_ms = epoch_ms(event.at)
    outage = OutageState(
        id=str(uuid4()),
        monitor_id=monitor_id,
        title=incident_title(event.data.get("monitor", {}).get("name", monitor_id)),
        started_ms=started_ms_of(event),
        detected_ms=at_ms,
    )
    open_by_monitor[monitor_id] = changes.opened[outage.id] = outage
    text = str(event.data.get("msg") or "")
    changes.entries.append(NewTimelineEntry(outage.id, at_ms, EntryKind.DETECTED, text))
    changes.events += [
        _with_incident(event, outage),
        incident_event(EventKind.INCIDENT_OPENED, outage, at_ms, **_incident_facts(event)),
    ]


def _resolve_incident(event: Event, outage: OutageState, changes: IncidentChanges) -> None:
    at_ms = epoch_ms(event.at)
    resolved = replace(outage, resolved_ms=at_ms)
    (changes.opened if outage.id in changes.opened else changes.resolved)[outage.id] = resolved
    lasted = format_duration(max(0, at_ms - outage.started_ms) / 1000)
    changes.entries.append(NewTimelineEntry(outage.id, at_ms, EntryKind.RESOLVED, f"It was down for {lasted}."))
    changes.events += [
        _with_incident(event, outage),
        incident_event(EventKind.INCIDENT_RESOLVED, outage, at_ms, **_incident_facts(event)),
    ]


def _with_incident(event: Event, outage: OutageState | None, **more: Any) -> Event:
    """The event with its incident's id."""
    return event if outage is None else replace(event, data={**event.data, "incident": {"id": outage.id}, **more})


def _incident_facts(event: Event) -> dict[str, Any]:
    """The monitor's facts that an incident's event repeats."""
    return {name: value for name, value in event.data.items() if name != "ping"}
