"""Publishes a stored change of an incident: its deliveries to the queue, its events to the live channels.

The change is stored whatever happens here. When Redis is unavailable, the scheduler's sweep finds the deliveries.
"""

import asyncio

import structlog
from redis.exceptions import RedisError

from app import live, queue
from app.store.incidents.incidents import IncidentChange

log = structlog.get_logger()

REDIS_TIMEOUT_S = 1.0  # the change is stored, and its response must not wait for a Redis that hangs


async def publish(change: IncidentChange) -> None:
    """Queue the deliveries, and publish the events to the live channels. Never raises for Redis."""
    try:
        async with asyncio.timeout(REDIS_TIMEOUT_S):
            await queue.put(*queue.notify_jobs(change.deliveries))
    except (RedisError, TimeoutError) as error:
        log.warning("incident.publish_failed", incident=change.incident.id, error=type(error).__name__)
    await live.publish_events(change.events)
