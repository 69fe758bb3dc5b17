"""Publishes a stored change of a monitor: to the due set, the queue and the live channels.

The change is stored whatever happens here. When Redis is unavailable, the scheduler compares the due set with the
database within 30 s, and its sweep sends the deliveries.
"""

import asyncio
from collections.abc import Sequence

import structlog
from redis.exceptions import RedisError

from app import clock, due_set, live, queue, response_cache
from app.api.monitoring import push_ingest
from app.store.monitoring import series
from app.store.transactions.monitors import MonitorChange
from schema.targets import Push

log = structlog.get_logger()

PER_CHANGE_S = 0.01  # added to the timeout for each change
REDIS_TIMEOUT_S = 1.0  # the change is stored, and its response must not wait for a Redis that hangs


async def publish(*changes: MonitorChange) -> None:
    """Update the schedule, and publish deliveries and events. Waits a few seconds at most; never raises for Redis."""
    await response_cache.invalidate()
    try:
        async with asyncio.timeout(REDIS_TIMEOUT_S + len(changes) * PER_CHANGE_S):
            for change in changes:
                await due_set.remove_series(change.unscheduled)
                await push_ingest.delete_latest(change.unscheduled)
                await due_set.put_series(change.schedules, first_at_ms=_first_at_ms(change), since_ms=_since_ms(change))
                await queue.put(*queue.notify_jobs(change.deliveries))
    except (RedisError, TimeoutError) as error:
        log.warning(
            "due_set.update_failed", monitors=[one.monitor.id for one in changes[:10]], error=type(error).__name__
        )
    # has a timeout of its own, and records what it could not publish
    await live.publish_events([event for change in changes for event in change.events])


async def reschedule(monitor_ids: Sequence[str]) -> None:
    """Update the schedule of monitors whose version changed, and publish nothing. Never raises for Redis."""
    if not monitor_ids:
        return
    await response_cache.invalidate()
    try:
        async with asyncio.timeout(REDIS_TIMEOUT_S):
            await due_set.put_series(await series.schedules_of(monitor_ids))
    except (RedisError, TimeoutError) as error:
        log.warning("due_set.update_failed", monitors=list(monitor_ids[:10]), error=type(error).__name__)


def _first_at_ms(change: MonitorChange) -> int | None:
    """Now, for a monitor with an interval; None, which is its next slot, for a push or a cron monitor."""
    waits_for_slot = change.monitor.interval is None or isinstance(change.monitor.config, Push)
    return None if waits_for_slot else clock.now_ms()


def _since_ms(change: MonitorChange) -> int | None:
    """When the schedule period began: on a busy machine, slots have come due since then."""
    return clock.epoch_ms(change.monitor.updated_at) if change.events else None
