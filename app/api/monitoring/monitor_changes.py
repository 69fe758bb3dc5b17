"""What follows a stored change of a monitor: the due set hears of it, who subscribed, and whoever is watching.

The change is stored by then and stands, whatever happens here. When Redis is away, the scheduler's comparison of
the due set with the database makes up for it within 30 s, and its sweep finds what nobody sends.
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

PER_CHANGE_S = 0.01  # more for each of many changes
REDIS_TIMEOUT_S = (
    1.0  # somebody waits for the answer to their change, and it is stored: a Redis that hangs must not keep it
)


async def publish(*changes: MonitorChange) -> None:
    """Tell the schedule and the live channels. Never raises for Redis, and waits a few seconds for it at most."""
    await response_cache.invalidate()
    try:
        async with asyncio.timeout(REDIS_TIMEOUT_S + len(changes) * PER_CHANGE_S):
            for changed in changes:
                await due_set.remove_series(changed.unscheduled)
                await push_ingest.delete_latest(changed.unscheduled)
                await due_set.put_series(
                    changed.schedules, first_at_ms=_first_at_ms(changed), since_ms=_since_ms(changed)
                )
                await queue.put(*queue.notify_jobs(changed.deliveries))
    except (RedisError, TimeoutError) as error:
        log.warning("due.not_told", monitors=[one.monitor.id for one in changes[:10]], error=type(error).__name__)
    # has a limit of its own, and keeps account of what it could not tell
    await live.publish_events([event for changed in changes for event in changed.events])


async def reschedule(monitor_ids: Sequence[str]) -> None:
    """Tell the schedule that monitors have another version, and nothing else of them. Never raises for Redis."""
    if not monitor_ids:
        return
    await response_cache.invalidate()
    try:
        async with asyncio.timeout(REDIS_TIMEOUT_S):
            await due_set.put_series(await series.schedules_of(monitor_ids))
    except (RedisError, TimeoutError) as error:
        log.warning("due.not_told", monitors=len(monitor_ids), error=type(error).__name__)


def _first_at_ms(changed: MonitorChange) -> int | None:
    """A changed monitor is checked at once; one that waits for pushes, or goes by cron, at its next slot."""
    is_patient = changed.monitor.interval is None or isinstance(changed.monitor.config, Push)
    return None if is_patient else clock.now_ms()


def _since_ms(changed: MonitorChange) -> int | None:
    """When the schedule came into force, as its era has it: on a busy machine slots have come due since."""
    return clock.epoch_ms(changed.monitor.updated_at) if changed.events else None
