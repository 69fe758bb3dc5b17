"""Checkpoints of long-running work: a name and an instant, from which interrupted work resumes."""

from app import clock_watch
from app.store.tables.rollups import CheckpointRow

ROLLED = "rolled"  # hours that ended by then are rolled up
PRUNED = "pruned"  # heartbeats of earlier slots may be deleted
FALLBACK_SUFFIX = ".now"  # used while the checkpoint lies in the future; that one stays, since it may be right


async def get(name: str) -> int:
    """A checkpoint, epoch milliseconds; 0 when the work never started."""
    row = await CheckpointRow.select(CheckpointRow.at_ms).where(CheckpointRow.name == name).first()
    return int(row["at_ms"]) if row else 0


async def active_name(name: str, now_ms: int, begin_ms: int) -> str:
    """The name of the checkpoint in use: this one, or its fallback while it lies in the future and would stop the work.

    begin_ms  where the fallback starts
    """
    fallback = f"{name}{FALLBACK_SUFFIX}"
    if not clock_watch.is_in_future(await get(name), now_ms):
        if await get(fallback):
            await CheckpointRow.delete().where(CheckpointRow.name == fallback)
        return name
    if not 0 < await get(fallback) <= now_ms + clock_watch.FUTURE_TOLERANCE_MS:
        await save(fallback, begin_ms)
    return fallback


async def progress_ms(name: str, now_ms: int, default_ms: int) -> int:
    """How far the work has come, epoch milliseconds; `default_ms` when every checkpoint lies in the future."""
    at_ms = await get(name)
    if not clock_watch.is_in_future(at_ms, now_ms):
        return at_ms
    fallback_ms = await get(f"{name}{FALLBACK_SUFFIX}")
    return fallback_ms if 0 < fallback_ms <= now_ms + clock_watch.FUTURE_TOLERANCE_MS else default_ms


async def save(name: str, at_ms: int) -> None:
    """Store how far the work has come, in the caller's transaction, if there is one."""
    insert = CheckpointRow.insert(CheckpointRow(name=name, at_ms=at_ms))
    await insert.on_conflict(CheckpointRow.name, "DO UPDATE", [CheckpointRow.at_ms])
