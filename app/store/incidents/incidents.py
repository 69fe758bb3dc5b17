"""Incidents as users handle them: create, read, update, delete, acknowledge, resolve.

`incident_lifecycle` opens and resolves incidents by results of checks. A change stores its events and deliveries in its
own transaction; afterwards the caller queues `IncidentChange.deliveries` and publishes `IncidentChange.events`.
"""

from typing import Any
from uuid import uuid4

from msgspec import UNSET, Struct
from msgspec.structs import asdict

from app import clock, db
from app.domain.incidents import lifecycle
from app.domain.incidents.lifecycle import NewTimelineEntry
from app.errors import Conflict, Invalid
from app.store.alerting import outbox
from app.store.incidents import incident_rows, timeline
from app.store.incidents.incident_lifecycle import apply_events, close_for_monitor, open_missing
from app.store.incidents.incident_queries import IncidentQuery, count_open, get_metrics, list_page
from app.store.incidents.incident_rows import get
from app.store.tables.incidents import IncidentRow
from app.store.tables.monitors import MonitorRow
from app.store.versions import ExpectedVersion, check_version
from schema.events import Event, EventKind
from schema.incidents import (
    EntryKind,
    IncidentDetail,
    IncidentDraft,
    IncidentKind,
    IncidentPatch,
    TimelineEntry,
)

__all__ = [
    "IncidentChange",
    "IncidentQuery",
    "acknowledge",
    "add_note",
    "apply_events",
    "close_for_monitor",
    "count_open",
    "create",
    "delete",
    "get",
    "get_metrics",
    "list_page",
    "open_missing",
    "resolve",
    "update",
]


class IncidentChange(Struct, frozen=True, kw_only=True):
    """The result of a change; without events when nothing changed.

    deliveries  channel id -> ids of deliveries to send
    """

    incident: IncidentDetail
    events: list[Event] = []
    deliveries: dict[str, list[str]] = {}


async def create(draft: IncidentDraft, author: str) -> IncidentChange:
    """Store an incident. Raises Invalid for a monitor that does not exist."""
    now, id_ = clock.now_ms(), str(uuid4())
    started_ms = now if draft.started_at is None else clock.epoch_ms(draft.started_at)
    _require_past(started_ms, now)
    async with db.transaction():
        await _require_monitor(draft.monitor_id)
        row = IncidentRow(
            id=id_, kind="manual", monitor_id=draft.monitor_id, title=draft.title, is_public=draft.is_public,
            started_ms=started_ms, detected_ms=now, created_ms=now, updated_ms=now,
        )  # fmt: skip
        await IncidentRow.insert(row)
        entries = [NewTimelineEntry(id_, now, EntryKind.DETECTED, "", author)]
        if draft.text:
            entries.append(NewTimelineEntry(id_, now, EntryKind.NOTE, draft.text, author))
        return await _record_change(id_, now, EventKind.INCIDENT_OPENED, entries)


async def update(incident_id: str, patch: IncidentPatch, *, version: ExpectedVersion = None) -> IncidentDetail:
    """Apply a patch. Raises NoSuch, Stale, Invalid."""
    now = clock.now_ms()
    async with db.transaction():
        old = await incident_rows.get_row(incident_id, lock=True)
        check_version("incident", old.version, version)
        values: dict[Any, Any] = {name: value for name, value in asdict(patch).items() if value is not UNSET}
        if "started_at" in values:
            values["started_ms"] = clock.epoch_ms(values.pop("started_at"))
            _require_past(values["started_ms"], old.resolved_ms or now)
        await IncidentRow.update({**values, "version": old.version + 1, "updated_ms": now}).where(
            IncidentRow.id == incident_id
        )
        return await get(incident_id)


async def delete(incident_id: str, *, version: ExpectedVersion = None) -> None:
    """Delete an incident and its timeline. Raises NoSuch, Stale, Conflict for an ongoing outage."""
    async with db.transaction():
        old = await incident_rows.get_row(incident_id, lock=True)
        check_version("incident", old.version, version)
        if old.kind is IncidentKind.AUTOMATIC and old.resolved_ms is None:
            raise Conflict("The outage is not over. You can delete its incident when the monitor is up again.")
        await IncidentRow.delete().where(IncidentRow.id == incident_id)


async def acknowledge(incident_id: str, author: str, at_ms: int | None = None) -> IncidentChange:
    """Acknowledge an incident, which ends reminders and escalation. Repeating it changes nothing.

    author  a user's name, or how else it was acknowledged
    raises  NoSuch, Conflict for a resolved incident
    """
    now = clock.now_ms() if at_ms is None else at_ms
    async with db.transaction():
        old = await incident_rows.get_row(incident_id, lock=True)
        if old.resolved_ms is not None:
            raise Conflict("The incident is already resolved, so it can't be acknowledged.")
        if old.acknowledged_ms is not None:
            return IncidentChange(incident=await get(incident_id))
        await IncidentRow.update(
            {
                IncidentRow.acknowledged_ms: now,
                IncidentRow.acknowledged_by: author,
                IncidentRow.next_escalation_ms: None,
                IncidentRow.version: old.version + 1,
                IncidentRow.updated_ms: now,
            }
        ).where(IncidentRow.id == incident_id)
        entry = NewTimelineEntry(incident_id, now, EntryKind.ACKNOWLEDGED, "", author)
        return await _record_change(incident_id, now, EventKind.INCIDENT_ACKNOWLEDGED, [entry], by=author)


async def resolve(incident_id: str, author: str) -> IncidentChange:
    """Resolve a manual incident. Raises NoSuch, Conflict for an ongoing outage, which its monitor resolves."""
    now = clock.now_ms()
    async with db.transaction():
        old = await incident_rows.get_row(incident_id, lock=True)
        if old.kind is IncidentKind.AUTOMATIC and old.resolved_ms is None:
            raise Conflict("An outage can't be resolved by hand. It ends when its monitor is up again or paused.")
        if old.resolved_ms is not None:
            return IncidentChange(incident=await get(incident_id))
        await IncidentRow.update(
            {IncidentRow.resolved_ms: now, IncidentRow.version: old.version + 1, IncidentRow.updated_ms: now}
        ).where(IncidentRow.id == incident_id)
        entry = NewTimelineEntry(incident_id, now, EntryKind.RESOLVED, "", author)
        return await _record_change(incident_id, now, EventKind.INCIDENT_RESOLVED, [entry], by=author)


async def add_note(incident_id: str, text: str, author: str) -> TimelineEntry:
    """Add a note to the timeline of an open or resolved incident. Raises NoSuch."""
    note = NewTimelineEntry(incident_id, clock.now_ms(), EntryKind.NOTE, text, author)
    async with db.transaction():
        await incident_rows.get_row(incident_id, lock=True)
        await timeline.add_entries([note])
    return timeline.entry_of(note)


async def _record_change(
    incident_id: str, now_ms: int, kind: EventKind, entries: list[NewTimelineEntry], **data: Any
) -> IncidentChange:
    """Store timeline entries, the event and its deliveries."""
    await timeline.add_entries(entries)
    stored = await incident_rows.get_row(incident_id)
    event = lifecycle.incident_event(
        kind, incident_rows.outage_state_of(stored), now_ms, **incident_rows.event_data_of(stored), **data
    )
    deliveries = await outbox.record_events([event], now_ms)
    return IncidentChange(incident=await get(incident_id), events=[event], deliveries=deliveries)


async def _require_monitor(monitor_id: str | None) -> None:
    if monitor_id is not None and not await MonitorRow.exists().where(MonitorRow.id == monitor_id):
        raise Invalid.for_field("monitor_id", "must be the id of a monitor that exists")


def _require_past(started_ms: int, until_ms: int) -> None:
    """Raise Invalid for a start in the future, or after the end."""
    if started_ms > until_ms:
        raise Invalid.for_field("started_at", "must be in the past, and before the end")
