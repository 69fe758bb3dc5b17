"""Workers that have no way out say so in Redis, and whoever watches reads it there."""

import asyncio
from collections.abc import Awaitable, Callable
from time import time

import structlog
from redis.exceptions import RedisError

from app import queue

KEY = "wk:cutoff"  # hash: node → epoch seconds at which it last said so
INTERVAL_S = 5.0
MAX_AGE_S = 20.0  # three may be missed

log = structlog.get_logger()


async def run(node: str, is_cut_off: Callable[[], Awaitable[bool]]) -> None:
    """Say it as long as it is so, until cancelled."""
    while True:
        try:
            await report(node, cut_off=await is_cut_off())
        except (RedisError, OSError) as error:
            log.warning("uplink.not_said", error=type(error).__name__)
        await asyncio.sleep(INTERVAL_S)


async def report(node: str, *, cut_off: bool) -> None:
    """Say it once. Raises RedisError."""
    if cut_off:
        await queue.client().hset(KEY, node, int(time()))
    else:
        await queue.client().hdel(KEY, node)


async def cut_off_workers() -> list[str]:
    """Who said so just now. Raises RedisError."""
    told = await queue.client().hgetall(KEY)
    gone = [node for node, at in told.items() if abs(time() - int(at)) > MAX_AGE_S]
    if gone:
        await queue.client().hdel(KEY, *gone)
    return sorted(node.decode() for node in told if node not in gone)
