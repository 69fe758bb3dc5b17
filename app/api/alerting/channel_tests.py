"""Tests of channels: the notify stage sends, this process only asks and waits."""

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
POLL_S = 2  # between looks at the record, where the answer is even when Redis lost the reply
FINAL_STATES = {"sent", "dead"}

log = structlog.get_logger()


async def send_test(channel_id: str, request_id: str, event: Event | None = None) -> None:
    """Send a test through a channel. Raises Upstream with the provider's reason, Unavailable when nobody sent it.

    event    what to tell; None: that this is a test
    """
    delivery_id = await channel_tests.create(channel_id, event or channel_tests.sample_event())
    try:
        await queue.put(NotifyBatch(channel_id, [delivery_id], request_id))
        seen = await _wait_for_outcome(delivery_id)
    except RedisError as error:
        log.warning("channel.test_not_queued", channel=channel_id, error=type(error).__name__)
        seen = await channel_tests.get_status(delivery_id)
    if seen.state not in FINAL_STATES:
        await channel_tests.cancel(delivery_id)
        raise Unavailable("No worker has sent the test in time.", retry_after_s=POLL_S)
    if seen.state == "dead":
        raise Upstream(f"The test was not delivered: {seen.error}", reason=seen.error)


async def _wait_for_outcome(delivery_id: str) -> channel_tests.ChannelTestStatus:
    """The delivery's outcome as soon as it is settled, or as it is when the wait ends."""
    until = monotonic() + WAIT_S
    seen = await channel_tests.get_status(delivery_id)
    while seen.state not in FINAL_STATES and monotonic() < until:
        with suppress(TimeoutError):
            await queue.client().blpop([f"wk:reply:{delivery_id}"], timeout=POLL_S)
        seen = await channel_tests.get_status(delivery_id)
    return seen
