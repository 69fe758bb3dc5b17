"""Incidents as people have them: written down, read, changed, acknowledged, resolved. `outages` has what monitors do.

What is told of a change is stored in its transaction; who calls puts `Told.deliveries` on the queue afterwards, and
tells `Told.events` to whoever is watching.
"""

from time import time
from typing import Any
from uuid import uuid4

from msgspec import UNSET, Struct
from msgspec.structs import asdict

from app import db
from app.domain.incidents import lifecycle
from app.domain.incidents.lifecycle import Line
from app.errors import Conflict, Invalid, Stale
from app.store.alerting import outbox
from app.store.incidents import incident_rows, timeline
from app.store.incidents.incident_lifecycle import end, follow, mend
from app.store.incidents.incident_queries import IncidentQuery, browse, figures, open_count
from app.store.incidents.incident_rows import read
from app.store.tables.incidents import IncidentRow
from schema.events import Event, EventKind
from schema.incidents import (
    EntryKind,
    IncidentDraft,
    IncidentKind,
    IncidentPatch,
    IncidentStory,
    TimelineEntry,
)

__all__ = [
    "IncidentQuery",
    "Told",
    "acknowledge",
    "add",
    "add_note",
    "browse",
    "change",
    "end",
    "figures",
    "follow",
    "mend",
    "open_count",
    "read",
    "remove",
    "resolve",
]


class Told(Struct, frozen=True, kw_only=True):
    """What a change led to. Nothing is told of one that repeats what is so already.

    deliveries  channel id -> ids of deliveries to be sent
    """

    incident: IncidentStory
    events: list[Event] = []
    deliveries: dict[str, list[str]] = {}


async def add(draft: IncidentDraft, author: str) -> Told:
    """Write an incident down. Raises Invalid for a monitor that does not exist."""
    now, id_ = _now_ms(), str(uuid4())
    started_ms = now if draft.started_at is None else lifecycle.ms_of(draft.started_at)
    _refuse_future(started_ms, now)
    async with db.writing():
        await _refuse_unknown(draft.monitor_id)
        row = IncidentRow(
            id=id_, kind="manual", monitor_id=draft.monitor_id, title=draft.title, is_public=draft.is_public,
            started_ms=started_ms, detected_ms=now, created_ms=now, updated_ms=now,
        )  # fmt: skip
        await IncidentRow.insert(row)
        noted = [Line(id_, now, EntryKind.NOTE, draft.text, author)] if draft.text else []
        return await _told(
            id_, now, EventKind.INCIDENT_OPENED, [Line(id_, now, EntryKind.DETECTED, "", author), *noted]
        )


async def change(incident_id: str, patch: IncidentPatch, *, version: int | None = None) -> IncidentStory:
    """Apply what the patch mentions. Raises NoSuch, Stale, Invalid."""
    now = _now_ms()
    async with db.writing():
        row = await incident_rows.row_of(incident_id, lock=True)
        _refuse_stale(row, version)
        values: dict[Any, Any] = {name: value for name, value in asdict(patch).items() if value is not UNSET}
        if "started_at" in values:
            values["started_ms"] = lifecycle.ms_of(values.pop("started_at"))
            _refuse_future(values["started_ms"], row["resolved_ms"] or now)
        await IncidentRow.update({**values, "version": row["version"] + 1, "updated_ms": now}).where(
            IncidentRow.id == incident_id
        )
        return await read(incident_id)


async def remove(incident_id: str, *, version: int | None = None) -> None:
    """Delete an incident and its timeline. Raises NoSuch, Stale, Conflict for an outage that lasts."""
    async with db.writing():
        row = await incident_rows.row_of(incident_id, lock=True)
        _refuse_stale(row, version)
        if row["kind"] == IncidentKind.AUTOMATIC and row["resolved_ms"] is None:
            raise Conflict("The outage lasts: its incident can be deleted when the monitor is up again.")
        await db.rows("DELETE FROM incidents WHERE id = ?1", incident_id)


async def acknowledge(incident_id: str, author: str, at_ms: int | None = None) -> Told:
    """Note that somebody looks after it: reminders and escalation end. Once; after that nothing happens.

    author  a user's name, or how else they said so
    raises  NoSuch, Conflict for one that is resolved
    """
    now = _now_ms() if at_ms is None else at_ms
    async with db.writing():
        row = await incident_rows.row_of(incident_id, lock=True)
        if row["resolved_ms"] is not None:
            raise Conflict("The incident is resolved: there is nothing left to acknowledge.")
        if row["acknowledged_ms"] is not None:
            return Told(incident=await read(incident_id))
        await db.rows(
            "UPDATE incidents SET acknowledged_ms = ?2, acknowledged_by = ?3, escalate_ms = NULL,"
            " version = version + 1, updated_ms = ?2 WHERE id = ?1",
            incident_id,
            now,
            author,
        )
        line = Line(incident_id, now, EntryKind.ACKNOWLEDGED, "", author)
        return await _told(incident_id, now, EventKind.INCIDENT_ACKNOWLEDGED, [line], by=author)


async def resolve(incident_id: str, author: str) -> Told:
    """End an incident that people wrote down. Once; raises NoSuch, Conflict for an outage, which its monitor ends."""
    now = _now_ms()
    async with db.writing():
        row = await incident_rows.row_of(incident_id, lock=True)
        if row["kind"] == IncidentKind.AUTOMATIC and row["resolved_ms"] is None:
            raise Conflict("The outage ends when its monitor is up again, or paused.")
        if row["resolved_ms"] is not None:
            return Told(incident=await read(incident_id))
        await db.rows(
            "UPDATE incidents SET resolved_ms = ?2, version = version + 1, updated_ms = ?2 WHERE id = ?1",
            incident_id,
            now,
        )
        line = Line(incident_id, now, EntryKind.RESOLVED, "", author)
        return await _told(incident_id, now, EventKind.INCIDENT_RESOLVED, [line], by=author)


async def add_note(incident_id: str, text: str, author: str) -> TimelineEntry:
    """Add to a timeline, also of one that is over. Raises NoSuch."""
    line = Line(incident_id, _now_ms(), EntryKind.NOTE, text, author)
    async with db.writing():
        await incident_rows.row_of(incident_id, lock=True)
        await timeline.write([line])
    return timeline.shown(line)


def _now_ms() -> int:
    return int(time() * 1000)


async def _told(incident_id: str, now_ms: int, kind: EventKind, lines: list[Line], **facts: Any) -> Told:
    """Write what happened into the timeline, and owe the event of it."""
    await timeline.write(lines)
    row = await incident_rows.row_of(incident_id)
    event = lifecycle.told(kind, incident_rows.outage_of(row), now_ms, **incident_rows.facts_of(row), **facts)
    deliveries = await outbox.owe([event], now_ms)
    return Told(incident=await read(incident_id), events=[event], deliveries=deliveries)


async def _refuse_unknown(monitor_id: str | None) -> None:
    if monitor_id is not None and not await db.rows("SELECT id FROM monitors WHERE id = ?1", monitor_id):
        raise Invalid.one("monitor_id", "must be the id of a monitor that exists")


def _refuse_future(started_ms: int, until_ms: int) -> None:
    """An incident begins before it ends, and before it is written down."""
    if started_ms > until_ms:
        raise Invalid.one("started_at", "must be in the past, and before the end")


def _refuse_stale(row: Any, version: int | None) -> None:
    if version is not None and version != row["version"]:
        raise Stale(f"The incident is at version {row['version']} by now: read it again.", version=row["version"])
