"""Current problems of Watchkeeper itself: open alerts from the database, and the last checks from Redis.

A database without writes prevents alerts, but must not hide the problem.
"""

from collections.abc import Iterable

from redis.exceptions import RedisError

from app import queue
from app.store.system import system_alerts
from schema.events import EventKind

KEY = "wk:troubles"  # names of the problems that the last checks found; expires when the checks stop
TTL_S = 20  # three checks may be missed


async def publish(kinds: Iterable[EventKind]) -> None:
    """Publish the problems of the last checks. Raises RedisError."""
    await queue.client().set(KEY, ",".join(sorted(kinds)), ex=TTL_S)


async def list_problems() -> set[EventKind]:
    """The current problems. Raises the database's errors; without Redis only those with an open alert."""
    return {*await system_alerts.list_open(), *await _observed()}


async def _observed() -> set[EventKind]:
    try:
        text = await queue.client().get(KEY)
    except (RedisError, OSError):
        return set()
    return {EventKind(name) for name in (text or b"").decode().split(",") if name in set(EventKind)}
