"""How far long-running work has come: a name and an instant, so that it goes on where it was interrupted."""

from app import clock_watch, db

ROLLED = "rolled"  # hours that ended by then are in the rollups
PRUNED = "pruned"  # heartbeats of slots before then may be gone
FALLBACK_SUFFIX = (
    ".now"  # a checkpoint that a clock which was ahead has moved into the future stays, for it may be right
)


async def get(name: str) -> int:
    """Epoch milliseconds; 0 when the work never began."""
    found = await db.rows("SELECT at_ms FROM marks WHERE name = ?1", name)
    return int(found[0]["at_ms"]) if found else 0


async def active_name(name: str, now_ms: int, begin_ms: int) -> str:
    """Which checkpoint is in use: usually this one; while it lies in the future, where it would stop us, one beside it.

    begin_ms  where the one beside it begins
    """
    beside = f"{name}{FALLBACK_SUFFIX}"
    if not clock_watch.is_in_future(await get(name), now_ms):
        if await get(beside):
            await db.rows("DELETE FROM marks WHERE name = ?1", beside)
        return name
    if not 0 < await get(beside) <= now_ms + clock_watch.FUTURE_TOLERANCE_MS:
        await save(beside, begin_ms)
    return beside


async def progress_ms(name: str, now_ms: int, default_ms: int) -> int:
    """How far the work has come, epoch milliseconds; `otherwise_ms` when only the future is marked."""
    at_ms = await get(name)
    if not clock_watch.is_in_future(at_ms, now_ms):
        return at_ms
    beside_ms = await get(f"{name}{FALLBACK_SUFFIX}")
    return beside_ms if 0 < beside_ms <= now_ms + clock_watch.FUTURE_TOLERANCE_MS else default_ms


async def save(name: str, at_ms: int) -> None:
    """Remember that the work has come this far. Inside the caller's transaction, if there is one."""
    await db.rows(
        "INSERT INTO marks (name, at_ms) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET at_ms = excluded.at_ms",
        name,
        at_ms,
    )
