"""How far long-running work has come: a name and an instant, so that it goes on where it was interrupted."""

from app import db

ROLLED = "rolled"  # hours that ended by then are in the rollups
PRUNED = "pruned"  # heartbeats of slots before then may be gone


async def read(name: str) -> int:
    """Epoch milliseconds; 0 when the work never began."""
    found = await db.rows("SELECT at_ms FROM marks WHERE name = ?1", name)
    return int(found[0]["at_ms"]) if found else 0


async def move(name: str, at_ms: int) -> None:
    """Remember that the work has come this far. Inside the caller's transaction, if there is one."""
    await db.rows(
        "INSERT INTO marks (name, at_ms) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET at_ms = excluded.at_ms",
        name,
        at_ms,
    )
