"""Tests of channels: the notify stage sends the message, this process queues it and waits."""

from contextlib import suppress
from time import monotonic

import structlog
from redis.exceptions import RedisError

from app import queue
from app.errors import Unavailable, Upstream
from app.store.alerting import channel_tests
from schema.events import Event
from schema.jobs import NotifyBatch

WAIT_S = 25  # longer than one send may take
POLL_S = 2  # between reads of the delivery, which has the result even when Redis lost the reply
FINAL_STATES = {"sent", "dead", "suppressed"}  # suppressed: the channel was deleted meanwhile

log = structlog.get_logger()


async def send_test(channel_id: str, request_id: str, event: Event | None = None) -> str:
    """Send a test through a channel. Raises Upstream with the provider's reason, Unavailable when no worker sent it.

    event      the event to send; None for the standard test message
    returns    why some of several recipients were not reached; empty when all were
    """
    delivery_id = await channel_tests.create(channel_id, event or channel_tests.sample_event())
    try:
        await queue.put(NotifyBatch({channel_id: [delivery_id]}, request_id))
        status = await _wait_for_outcome(delivery_id)
    except RedisError as error:
        log.warning("channel.test_enqueue_failed", channel=channel_id, error=type(error).__name__)
        status = await channel_tests.get_status(delivery_id)
    if status.state not in FINAL_STATES:
        await channel_tests.cancel(delivery_id)
        raise Unavailable("No worker sent the test in time.", retry_after_s=POLL_S)
    if status.state != "sent":
        raise Upstream(f"The test was not delivered: {status.error}", reason=status.error)
    return status.error


async def _wait_for_outcome(delivery_id: str) -> channel_tests.ChannelTestStatus:
    """The delivery's status as soon as it is final, or when the wait ends."""
    deadline_s = monotonic() + WAIT_S
    status = await channel_tests.get_status(delivery_id)
    while status.state not in FINAL_STATES and monotonic() < deadline_s:
        with suppress(TimeoutError):
            await queue.client().blpop([f"wk:reply:{delivery_id}"], timeout=POLL_S)
        status = await channel_tests.get_status(delivery_id)
    return status
