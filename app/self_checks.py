"""What is wrong with ourselves: as it was alerted, which the database knows, and as it was last seen, which Redis does.

A database that takes no writes keeps us from alerting, and must not keep us from saying so.
"""

from collections.abc import Iterable

from redis.exceptions import RedisError

from app import queue
from app.store.system import system_alerts
from schema.events import EventKind

KEY = "wk:troubles"  # names of what the last looks found, in one text; gone when nobody looks any more
TTL_S = 20  # three looks may be missed


async def publish(kinds: Iterable[EventKind]) -> None:
    """Say what looks have found lately. Raises RedisError."""
    await queue.client().set(KEY, ",".join(sorted(kinds)), ex=TTL_S)


async def list_problems() -> set[EventKind]:
    """What is wrong now. Raises what the database raises; without Redis it knows what was alerted."""
    return {*await system_alerts.list_open(), *await _observed()}


async def _observed() -> set[EventKind]:
    try:
        text = await queue.client().get(KEY)
    except (RedisError, OSError):
        return set()
    return {EventKind(name) for name in (text or b"").decode().split(",") if name in set(EventKind)}
