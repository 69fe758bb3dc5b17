"""Troubles of our own that people were told of: what began and is not over, so that a restart tells nothing twice."""

from app import db
from schema.events import EventKind


async def list_open() -> dict[EventKind, int]:
    """What is not over yet: kind → since when, epoch milliseconds."""
    found = await db.rows("SELECT name, at_ms FROM marks WHERE name LIKE 'system.%' AND at_ms > 0")
    return {EventKind(row["name"]): int(row["at_ms"]) for row in found}


async def open_alert(kind: EventKind, at_ms: int) -> bool:
    """Note that it began; inside the caller's transaction. False when somebody else has, and so tells it."""
    begun = await db.rows(
        "INSERT INTO marks (name, at_ms) VALUES (?1, ?2)"
        " ON CONFLICT (name) DO UPDATE SET at_ms = excluded.at_ms WHERE marks.at_ms = 0 RETURNING name",
        str(kind),
        at_ms,
    )
    return bool(begun)


async def close_alert(kind: EventKind, since_ms: int) -> bool:
    """Note that what began then is over; inside the caller's transaction. False when somebody else has."""
    ended = await db.rows(
        "UPDATE marks SET at_ms = 0 WHERE name = ?1 AND at_ms = ?2 RETURNING name", str(kind), since_ms
    )
    return bool(ended)
