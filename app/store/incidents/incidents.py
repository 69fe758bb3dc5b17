"""Incidents as people have them: written down, read, changed, acknowledged, resolved. `outages` has what monitors do.

What is told of a change is stored in its transaction; who calls puts `Told.deliveries` on the queue afterwards, and
tells `Told.events` to whoever is watching.
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
from app.store.versions import check_version
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
    """What a change led to. Nothing is told of one that repeats what is so already.

    deliveries  channel id -> ids of deliveries to be sent
    """

    incident: IncidentDetail
    events: list[Event] = []
    deliveries: dict[str, list[str]] = {}


async def create(draft: IncidentDraft, author: str) -> IncidentChange:
    """Write an incident down. Raises Invalid for a monitor that does not exist."""
    now, id_ = clock.now_ms(), str(uuid4())
    started_ms = now if draft.started_at is None else lifecycle.epoch_ms(draft.started_at)
    _require_past(started_ms, now)
    async with db.transaction():
        await _require_monitor(draft.monitor_id)
        row = IncidentRow(
            id=id_, kind="manual", monitor_id=draft.monitor_id, title=draft.title, is_public=draft.is_public,
            started_ms=started_ms, detected_ms=now, created_ms=now, updated_ms=now,
        )  # fmt: skip
        await IncidentRow.insert(row)
        noted = [NewTimelineEntry(id_, now, EntryKind.NOTE, draft.text, author)] if draft.text else []
        return await _record_change(
            id_, now, EventKind.INCIDENT_OPENED, [NewTimelineEntry(id_, now, EntryKind.DETECTED, "", author), *noted]
        )


async def update(incident_id: str, patch: IncidentPatch, *, version: int | None = None) -> IncidentDetail:
    """Apply what the patch mentions. Raises NoSuch, Stale, Invalid."""
    now = clock.now_ms()
    async with db.transaction():
        row = await incident_rows.get_row(incident_id, lock=True)
        check_version("incident", row["version"], version)
        values: dict[Any, Any] = {name: value for name, value in asdict(patch).items() if value is not UNSET}
        if "started_at" in values:
            values["started_ms"] = lifecycle.epoch_ms(values.pop("started_at"))
            _require_past(values["started_ms"], row["resolved_ms"] or now)
        await IncidentRow.update({**values, "version": row["version"] + 1, "updated_ms": now}).where(
            IncidentRow.id == incident_id
        )
        return await get(incident_id)


async def delete(incident_id: str, *, version: int | None = None) -> None:
    """Delete an incident and its timeline. Raises NoSuch, Stale, Conflict for an outage that lasts."""
    async with db.transaction():
        row = await incident_rows.get_row(incident_id, lock=True)
        check_version("incident", row["version"], version)
        if row["kind"] == IncidentKind.AUTOMATIC and row["resolved_ms"] is None:
            raise Conflict("The outage lasts: its incident can be deleted when the monitor is up again.")
        await db.rows("DELETE FROM incidents WHERE id = ?1", incident_id)


async def acknowledge(incident_id: str, author: str, at_ms: int | None = None) -> IncidentChange:
    """Note that somebody looks after it: reminders and escalation end. Once; after that nothing happens.

    author  a user's name, or how else they said so
    raises  NoSuch, Conflict for one that is resolved
    """
    now = clock.now_ms() if at_ms is None else at_ms
    async with db.transaction():
        row = await incident_rows.get_row(incident_id, lock=True)
        if row["resolved_ms"] is not None:
            raise Conflict("The incident is resolved: there is nothing left to acknowledge.")
        if row["acknowledged_ms"] is not None:
            return IncidentChange(incident=await get(incident_id))
        await db.rows(
            "UPDATE incidents SET acknowledged_ms = ?2, acknowledged_by = ?3, escalate_ms = NULL,"
            " version = version + 1, updated_ms = ?2 WHERE id = ?1",
            incident_id,
            now,
            author,
        )
        line = NewTimelineEntry(incident_id, now, EntryKind.ACKNOWLEDGED, "", author)
        return await _record_change(incident_id, now, EventKind.INCIDENT_ACKNOWLEDGED, [line], by=author)


async def resolve(incident_id: str, author: str) -> IncidentChange:
    """End an incident that people wrote down. Once; raises NoSuch, Conflict for an outage, which its monitor ends."""
    now = clock.now_ms()
    async with db.transaction():
        row = await incident_rows.get_row(incident_id, lock=True)
        if row["kind"] == IncidentKind.AUTOMATIC and row["resolved_ms"] is None:
            raise Conflict("The outage ends when its monitor is up again, or paused.")
        if row["resolved_ms"] is not None:
            return IncidentChange(incident=await get(incident_id))
        await db.rows(
            "UPDATE incidents SET resolved_ms = ?2, version = version + 1, updated_ms = ?2 WHERE id = ?1",
            incident_id,
            now,
        )
        line = NewTimelineEntry(incident_id, now, EntryKind.RESOLVED, "", author)
        return await _record_change(incident_id, now, EventKind.INCIDENT_RESOLVED, [line], by=author)


async def add_note(incident_id: str, text: str, author: str) -> TimelineEntry:
    """Add to a timeline, also of one that is over. Raises NoSuch."""
    line = NewTimelineEntry(incident_id, clock.now_ms(), EntryKind.NOTE, text, author)
    async with db.transaction():
        await incident_rows.get_row(incident_id, lock=True)
        await timeline.add_entries([line])
    return timeline.entry_of(line)


async def _record_change(
    incident_id: str, now_ms: int, kind: EventKind, lines: list[NewTimelineEntry], **facts: Any
) -> IncidentChange:
    """Write what happened into the timeline, and owe the event of it."""
    await timeline.add_entries(lines)
    row = await incident_rows.get_row(incident_id)
    event = lifecycle.incident_event(
        kind, incident_rows.outage_state_of(row), now_ms, **incident_rows.event_data_of(row), **facts
    )
    deliveries = await outbox.record_events([event], now_ms)
    return IncidentChange(incident=await get(incident_id), events=[event], deliveries=deliveries)


async def _require_monitor(monitor_id: str | None) -> None:
    if monitor_id is not None and not await db.rows("SELECT id FROM monitors WHERE id = ?1", monitor_id):
        raise Invalid.for_field("monitor_id", "must be the id of a monitor that exists")


def _require_past(started_ms: int, until_ms: int) -> None:
    """An incident begins before it ends, and before it is written down."""
    if started_ms > until_ms:
        raise Invalid.for_field("started_at", "must be in the past, and before the end")
