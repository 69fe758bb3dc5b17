"""Open alerts of self-monitoring. They are stored, so that a restart sends none twice."""

from app import db
from schema.events import EventKind


async def list_open() -> dict[EventKind, int]:
    """Open alerts: kind → when it was opened, epoch milliseconds."""
    found = await db.rows("SELECT name, at_ms FROM marks WHERE name LIKE 'system.%' AND at_ms > 0")
    return {EventKind(row["name"]): int(row["at_ms"]) for row in found}


async def open_alert(kind: EventKind, at_ms: int) -> bool:
    """Open an alert, in the caller's transaction. False when another process did, and so sends it."""
    opened = await db.rows(
        "INSERT INTO marks (name, at_ms) VALUES (?1, ?2)"
        " ON CONFLICT (name) DO UPDATE SET at_ms = excluded.at_ms WHERE marks.at_ms = 0 RETURNING name",
        str(kind),
        at_ms,
    )
    return bool(opened)


async def close_alert(kind: EventKind, since_ms: int) -> bool:
    """Close the alert that was opened then, in the caller's transaction. False when another process did."""
    closed = await db.rows(
        "UPDATE marks SET at_ms = 0 WHERE name = ?1 AND at_ms = ?2 RETURNING name", str(kind), since_ms
    )
    return bool(closed)
