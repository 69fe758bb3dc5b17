"""What follows a stored change of an incident: its messages go out, and whoever is watching hears of it.

The change is stored by then and stands. When Redis is away, the scheduler's sweep finds the deliveries.
"""

import asyncio

import structlog
from redis.exceptions import RedisError

from app import live, queue
from app.store.incidents.incidents import IncidentChange

log = structlog.get_logger()

REDIS_TIMEOUT_S = 1.0  # somebody waits for the answer, and it is stored


async def publish(change: IncidentChange) -> None:
    """Queue the deliveries and tell the live channels. Never raises for Redis."""
    try:
        async with asyncio.timeout(REDIS_TIMEOUT_S):
            await queue.put(*queue.notify_jobs(change.deliveries))
    except (RedisError, TimeoutError) as error:
        log.warning("incident.not_told", incident=change.incident.id, error=type(error).__name__)
    await live.publish_events(change.events)
