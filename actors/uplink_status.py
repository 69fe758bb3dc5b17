"""Flag in Redis of each worker whose uplink is down, for self-monitoring."""

import asyncio
from collections.abc import Awaitable, Callable
from time import time

import structlog
from redis.exceptions import RedisError

from app import queue

KEY = "wk:cutoff"  # hash: node → epoch seconds of its last report
INTERVAL_S = 5.0
MAX_AGE_S = 20.0  # of a report: three may be missed

log = structlog.get_logger()


async def run(node: str, is_cut_off: Callable[[], Awaitable[bool]]) -> None:
    """Report this worker's uplink until cancelled."""
    while True:
        try:
            await report(node, cut_off=await is_cut_off())
        except (RedisError, OSError) as error:
            log.warning("uplink.report_failed", error=type(error).__name__)
        await asyncio.sleep(INTERVAL_S)


async def report(node: str, *, cut_off: bool) -> None:
    """Report once: set the flag or remove it. Raises RedisError."""
    if cut_off:
        await queue.client().hset(KEY, node, int(time()))
    else:
        await queue.client().hdel(KEY, node)


async def cut_off_workers() -> list[str]:
    """Workers that reported an uplink failure lately. Raises RedisError."""
    reported_at = await queue.client().hgetall(KEY)
    expired = [node for node, at in reported_at.items() if abs(time() - int(at)) > MAX_AGE_S]
    if expired:
        await queue.client().hdel(KEY, *expired)
    return sorted(node.decode() for node in reported_at if node not in expired)
