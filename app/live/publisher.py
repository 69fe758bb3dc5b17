"""Publishes stored heartbeats and events to subscribers. Messages that can't be published show up as a gap."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec
import structlog
from redis.exceptions import RedisError

from app import queue
from app.live import replay_buffer
from app.live.channels import EVENTS, HEARTBEATS, INCIDENTS
from app.live.replay_buffer import BufferedMessage
from schema.events import Event
from schema.heartbeats import Heartbeat
from schema.ws_messages import EventFrame, HeartbeatFrame

INCIDENT_PREFIX = "incident."  # these events are published on the incidents channel as well
REDIS_TIMEOUT_S = 3  # bounds how long the ingest waits for Redis; the heartbeats are stored already

log = structlog.stdlib.get_logger()
_encoder = msgspec.json.Encoder()
_unpublished: Counter[str] = Counter()  # messages by source that got no number, because Redis was unavailable


async def publish(heartbeats: Sequence[Heartbeat] = (), events: Sequence[Event] = ()) -> None:
    """Publish stored data in one round trip: all heartbeats as one message, each event as its own.

    Never raises errors of Redis: the data is in the database, and the next published message skips the numbers that
    these messages would have had.
    """
    messages = [*_heartbeat_messages(heartbeats), *_event_messages(events)]
    if not messages:
        return
    unpublished = _unpublished.copy()
    _unpublished.clear()
    gaps = [BufferedMessage(source, step=count) for source, count in unpublished.items()]
    try:
        async with asyncio.timeout(REDIS_TIMEOUT_S):
            await replay_buffer.append_messages(queue.client(), [*gaps, *messages])
    except (RedisError, OSError) as error:
        _unpublished.update(unpublished)
        _unpublished.update(message.source for message in messages)
        log.warning("live.publish_failed", n_messages=len(messages), reason=type(error).__name__)


async def publish_heartbeats(heartbeats: Sequence[Heartbeat]) -> None:
    """Publish heartbeats that were stored together."""
    await publish(heartbeats=heartbeats)


async def publish_events(events: Sequence[Event]) -> None:
    """Publish events."""
    await publish(events=events)


def _heartbeat_messages(heartbeats: Sequence[Heartbeat]) -> Iterable[BufferedMessage]:
    if heartbeats:
        frame = HeartbeatFrame(seq=0, channel=HEARTBEATS, timestamp=datetime.now(UTC), data=list(heartbeats))
        yield _buffered_message(HEARTBEATS, frame)


def _event_messages(events: Sequence[Event]) -> Iterable[BufferedMessage]:
    for event in events:
        for channel in (EVENTS, INCIDENTS) if event.event.startswith(INCIDENT_PREFIX) else (EVENTS,):
            frame = EventFrame(
                seq=0, channel=channel, timestamp=event.at, event=event.event, data=event.data, id=event.id,
                monitor_id=event.monitor_id,
            )  # fmt: skip
            yield _buffered_message(channel, frame)


def _buffered_message(source: str, frame: HeartbeatFrame | EventFrame) -> BufferedMessage:
    """Split the text where Redis inserts the number: at the first `seq`, right after the tag."""
    head, key, tail = _encoder.encode(frame).partition(b'"seq":')
    return BufferedMessage(source, head + key, tail.removeprefix(b"0"))
