"""Follows what events mean for incidents: which begin, which end, what is told of them. Pure.

A monitor that goes down opens an incident, retroactively from its first failing check; its recovery resolves it; a
reminder of one that somebody acknowledged is told to nobody. A monitor has one open incident at most.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import uuid4

from msgspec import Struct
from msgspec.structs import replace

from app import clock
from app.domain.text.message_text import format_duration
from schema.events import Event, EventKind
from schema.incidents import EntryKind

OUTAGE_EVENTS = frozenset({EventKind.MONITOR_DOWN, EventKind.MONITOR_UP})


class OutageState(Struct, frozen=True, kw_only=True):
    """An incident as far as it decides on the next event. Epoch milliseconds; `resolved_ms` None: it lasts.

    monitor_id  None: people wrote it down, about something else
    """

    id: str
    monitor_id: str | None
    title: str
    started_ms: int
    detected_ms: int
    is_acknowledged: bool = False
    resolved_ms: int | None = None


class NewTimelineEntry(NamedTuple):
    """An entry of a timeline that is to be written."""

    incident_id: str
    at_ms: int
    kind: EntryKind
    text: str = ""
    author: str = ""


class IncidentChanges(Struct):
    """What a batch of events led to.

    opened    incidents that are new; some are over already
    resolved  those that were known, by id
    events    what goes on: the same, but for reminders that nobody needs, and those of the incidents
    """

    opened: dict[str, OutageState] = {}
    resolved: dict[str, OutageState] = {}
    entries: list[NewTimelineEntry] = []
    events: list[Event] = []


def changes_from(events: Iterable[Event], known: Iterable[OutageState]) -> IncidentChanges:
    """What events lead to, in their order.

    known    the open incidents of their monitors, and of recoveries those that were resolved before
    """
    done = IncidentChanges()
    outages = list(known)
    lasting = {one.monitor_id: one for one in outages if one.monitor_id and one.resolved_ms is None}
    past = {(one.monitor_id, one.started_ms): one for one in outages if one.resolved_ms is not None}
    for event in events:
        if event.monitor_id is None or event.event not in OUTAGE_EVENTS:
            done.events.append(event)
        elif event.event is EventKind.MONITOR_DOWN:
            _open_incident(event, event.monitor_id, lasting, done)
        elif (outage := lasting.pop(event.monitor_id, None)) is not None:
            _resolve_incident(event, outage, done)
        else:
            done.events.append(_with_incident(event, past.get((event.monitor_id, started_ms_of(event)))))
    return done


def started_ms_of(event: Event) -> int:
    """When the outage of an event began: its first failing check."""
    return epoch_ms(event.data.get("started_at") or event.at)


def incident_title(name: str) -> str:
    """What the incident of a monitor is called."""
    return f"{name} is down"


def epoch_ms(at: datetime) -> int:
    """Epoch milliseconds."""
    return clock.epoch_ms(at)


def instant(at_ms: int) -> datetime:
    """The other way round, in UTC."""
    return clock.instant(at_ms)


def incident_event(kind: EventKind, outage: OutageState, at_ms: int, **facts: Any) -> Event:
    """The event of something that became of an outage."""
    data = {"incident": {"id": outage.id, "title": outage.title}, **facts}
    return Event(id=str(uuid4()), event=kind, at=instant(at_ms), monitor_id=outage.monitor_id, data=data)


def closed_event(outage: OutageState, at_ms: int, kind: EventKind, **facts: Any) -> Event:
    """The end of an outage that nobody sees the end of.

    kind  what was done to its monitor: it was paused, or deleted
    """
    began = {"started_at": instant(outage.started_ms), "duration": max(0, at_ms - outage.started_ms) / 1000}
    return incident_event(EventKind.INCIDENT_RESOLVED, outage, at_ms, ended_by=str(kind), **began, **facts)


def _open_incident(event: Event, monitor_id: str, lasting: dict[str, OutageState], done: IncidentChanges) -> None:
    if (outage := lasting.get(monitor_id)) is not None:
        if not outage.is_acknowledged:
            done.events.append(_with_incident(event, outage, reminder=True))
        return
    at_ms = epoch_ms(event.at)
    name = event.data.get("monitor", {}).get("name", monitor_id)
    outage = OutageState(
        id=str(uuid4()),
        monitor_id=monitor_id,
        title=incident_title(name),
        started_ms=started_ms_of(event),
        detected_ms=at_ms,
    )
    lasting[monitor_id] = done.opened[outage.id] = outage
    done.entries.append(NewTimelineEntry(outage.id, at_ms, EntryKind.DETECTED, _msg(event)))
    done.events += [
        _with_incident(event, outage),
        incident_event(EventKind.INCIDENT_OPENED, outage, at_ms, **_incident_facts(event)),
    ]


def _resolve_incident(event: Event, outage: OutageState, done: IncidentChanges) -> None:
    at_ms = epoch_ms(event.at)
    over = replace(outage, resolved_ms=at_ms)
    (done.opened if outage.id in done.opened else done.resolved)[outage.id] = over
    lasted = format_duration(max(0, at_ms - outage.started_ms) / 1000)
    done.entries.append(NewTimelineEntry(outage.id, at_ms, EntryKind.RESOLVED, f"It was down for {lasted}."))
    done.events += [
        _with_incident(event, outage),
        incident_event(EventKind.INCIDENT_RESOLVED, outage, at_ms, **_incident_facts(event)),
    ]


def _with_incident(event: Event, outage: OutageState | None, **more: Any) -> Event:
    """The event with its incident."""
    return event if outage is None else replace(event, data={**event.data, "incident": {"id": outage.id}, **more})


def _incident_facts(event: Event) -> dict[str, Any]:
    """What the event of an incident repeats of the monitor's."""
    return {name: value for name, value in event.data.items() if name != "ping"}


def _msg(event: Event) -> str:
    return str(event.data.get("msg") or "")
