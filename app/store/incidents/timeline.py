"""Timelines of incidents: stored entries, and notifications as their deliveries show them.

Written as SQL: an insert over a JSON array, and a join of deliveries with their events and channels.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from app import clock, db
from app.domain.alerting import reasons
from app.domain.incidents.lifecycle import NewTimelineEntry
from app.store.tables.incidents import IncidentEntryRow
from app.store.visibility import TagScope
from schema.incidents import EntryKind, TimelineEntry

MAX_ENTRIES = 2_000  # of one incident, from its start

_json = msgspec.json.Encoder()
_KIND_BY_STATE = {"sent": EntryKind.NOTIFIED, "dead": EntryKind.UNDELIVERED, "suppressed": EntryKind.SUPPRESSED}


async def add_entries(entries: Iterable[NewTimelineEntry]) -> None:
    """Store entries, inside the caller's transaction."""
    rows = list(entries)
    if rows:
        await db.rows(
            "INSERT INTO incident_entries (incident_id, at_ms, kind, text, author) SELECT value->>0,"
            " CAST(value->>1 AS BIGINT), value->>2, value->>3, value->>4 FROM {each:1}",
            _json.encode(rows).decode(),
        )


async def list_entries(incident_id: str, visible_to: TagScope = None) -> list[TimelineEntry]:
    """The timeline of an incident, oldest first; names of monitors that are not visible are redacted."""
    row = IncidentEntryRow
    query = row.select(row.at_ms, row.kind, row.text, row.author).where(row.incident_id == incident_id)
    stored = await query.order_by(row.id).limit(MAX_ENTRIES)
    notifications = [_entry_from_delivery(row, visible_to) for row in await _deliveries(incident_id)]
    entries = [*map(_entry_from_row, stored), *notifications]
    return sorted(entries, key=lambda entry: entry.at)[:MAX_ENTRIES]


async def _deliveries(incident_id: str) -> Any:
    """Finished deliveries to notification channels; webhooks are left out."""
    return await db.rows(
        "SELECT d.state, d.reason_code, d.error, d.channel_id, c.name, c.type, c.deleted_ms, e.kind,"
        " COALESCE(d.sent_ms, d.next_attempt_ms) AS at_ms"
        " FROM events e JOIN deliveries d ON d.event_id = e.id JOIN channels c ON c.id = d.channel_id"
        " WHERE e.incident_id = ?1 AND d.state IN ('sent', 'dead', 'suppressed') AND c.kind = 'channel'"
        f" ORDER BY at_ms, d.id LIMIT {MAX_ENTRIES}",
        incident_id,
    )


def entry_of(entry: NewTimelineEntry) -> TimelineEntry:
    """A new entry as the API returns it."""
    return TimelineEntry(at=clock.instant(entry.at_ms), kind=entry.kind, text=entry.text, author=entry.author)


def _entry_from_row(row: Any) -> TimelineEntry:
    return TimelineEntry(
        at=clock.instant(row["at_ms"]), kind=EntryKind(row["kind"]), text=row["text"], author=row["author"]
    )


def _entry_from_delivery(row: Any, visible_to: TagScope) -> TimelineEntry:
    reason = row["error"] if visible_to is None else reasons.redact(row["reason_code"], row["error"])
    return TimelineEntry(
        at=clock.instant(row["at_ms"]),
        kind=_KIND_BY_STATE[row["state"]],
        text=reason if row["state"] != "sent" else "",
        channel_id=row["channel_id"],
        channel=row["name"],
        channel_type=row["type"],
        channel_deleted_at=clock.instant_or_none(row["deleted_ms"]),
        event=row["kind"],
    )
