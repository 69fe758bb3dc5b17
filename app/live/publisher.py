"""Tells stored facts to whoever is watching. What can't be told is seen as a gap: nothing is lost in silence."""

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

INCIDENT_PREFIX = "incident."  # events that have a channel of their own besides
REDIS_TIMEOUT_S = 3  # the ingest waits no longer for a Redis that is away: the heartbeats are stored already

log = structlog.stdlib.get_logger()
_encoder = msgspec.json.Encoder()
_unpublished: Counter[str] = Counter()  # messages by source that never got a number, since Redis was away


async def publish(heartbeats: Sequence[Heartbeat] = (), events: Sequence[Event] = ()) -> None:
    """Tell what was just stored, in one round trip: the beats as one message, each event as its own.

    Never raises for Redis: the facts are in the database, and the next message that gets through leaves a hole
    in the numbers where these would have been.
    """
    entries = [*_heartbeat_messages(heartbeats), *_event_messages(events)]
    if not entries:
        return
    untold = _unpublished.copy()
    _unpublished.clear()
    holes = [BufferedMessage(source, step=count) for source, count in untold.items()]
    try:
        async with asyncio.timeout(REDIS_TIMEOUT_S):
            await replay_buffer.append_messages(queue.client(), [*holes, *entries])
    except (RedisError, OSError) as error:
        _unpublished.update(untold)
        _unpublished.update(entry.source for entry in entries)
        log.warning("live.publish_failed", n_messages=len(entries), reason=type(error).__name__)


async def publish_heartbeats(heartbeats: Sequence[Heartbeat]) -> None:
    """Tell heartbeats that were stored together."""
    await publish(heartbeats=heartbeats)


async def publish_events(events: Sequence[Event]) -> None:
    """Tell events."""
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
    """Cut the text where Redis puts the number: right after the tag, so that the first match is the right one."""
    head, found, tail = _encoder.encode(frame).partition(b'"seq":')
    return BufferedMessage(source, head + found, tail.removeprefix(b"0"))
