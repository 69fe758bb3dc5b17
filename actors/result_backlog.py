"""Age of each worker's oldest result that is not enqueued yet, reported through Redis to self-monitoring."""

import asyncio
from collections.abc import Callable
from time import time

import msgspec
import structlog
from prometheus_client import Gauge
from redis.exceptions import RedisError

from app import queue

KEY = "wk:results"  # hash: node → [epoch seconds of the report, age of its oldest result in seconds]
INTERVAL_S = 5.0
MAX_AGE_S = 20.0  # of a report: three may be missed

OLDEST_AGE = Gauge("watchkeeper_results_oldest_age_seconds", "Age of the oldest result that is not enqueued yet.")
log = structlog.get_logger()


async def run(node: str, oldest_age_s: Callable[[], float]) -> None:
    """Report until cancelled."""
    while True:
        try:
            await report(node, oldest_age_s())
        except (RedisError, OSError) as error:
            log.warning("worker.backlog_report_failed", error=type(error).__name__)
        await asyncio.sleep(INTERVAL_S)


async def report(node: str, oldest_age_s: float) -> None:
    """Report once. Raises RedisError."""
    OLDEST_AGE.set(oldest_age_s)
    await queue.client().hset(KEY, node, msgspec.json.encode((time(), round(oldest_age_s, 1))))


async def oldest_age_s() -> float:
    """The highest age that a worker reported lately; 0 when none did. Raises RedisError."""
    raw = await queue.client().hgetall(KEY)
    reports = {node: msgspec.json.decode(text, type=tuple[float, float]) for node, text in raw.items()}
    expired = [node for node, (at_s, _) in reports.items() if abs(time() - at_s) > MAX_AGE_S]
    if expired:
        await queue.client().hdel(KEY, *expired)
    return max((age_s for node, (_, age_s) in reports.items() if node not in expired), default=0.0)
