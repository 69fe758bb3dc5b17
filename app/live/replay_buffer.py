"""Live messages in Redis: published, numbered, and kept for replay. The database has the full history.

Each source has a counter and a stream of its last messages. Messages that can't be published show up as a gap.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app import queue
from app.live.channels import EVENTS, HEARTBEATS, INCIDENTS, SOURCES
from schema.events import Event
from schema.heartbeats import Heartbeat
from schema.ws_messages import EventFrame, HeartbeatFrame

COUNTERS = "wk:live:seq"
IDLE_TTL_S = 3_600  # a client that was away longer reads over HTTP
PAGE_SIZE = 100  # messages per read, a few hundred kilobytes
INCIDENT_PREFIX = "incident."  # these events are published on the incidents channel as well
REDIS_TIMEOUT_S = 3  # bounds how long the ingest waits for Redis; the heartbeats are stored already

ScriptArgument = str | int | bytes

log = structlog.stdlib.get_logger()
_encoder = msgspec.json.Encoder()
_unpublished: Counter[str] = Counter()  # messages by source that got no number, because Redis was unavailable

_LUA = {path.stem: path.read_text() for path in Path(__file__).parent.glob("*.lua")}


class BufferedMessage(Struct, frozen=True):
    """A message to number and store: its text is head, number, tail. Without a head, `step` numbers are skipped."""

    source: str
    head: bytes = b""
    tail: bytes = b""
    step: int = 1


def stream_key(source: str) -> str:
    """The key of the stream with the last messages of a source."""
    return f"wk:live:tape:{source}"


def pubsub_channel(redis: Redis) -> str:
    """The pub/sub channel. Redis shares channels between databases, so the name contains the database's number."""
    return f"wk:live:{redis.connection_pool.connection_kwargs.get('db') or 0}"


async def publish(heartbeats: Sequence[Heartbeat] = (), events: Sequence[Event] = ()) -> None:
    """Number, buffer and publish stored data in one atomic step: all heartbeats as one message, each event as its own.

    Never raises errors of Redis: the data is in the database, and the next published message skips the numbers that
    these messages would have had.
    """
    messages = list(_messages_of(heartbeats, events))
    if not messages:
        return
    unpublished = _unpublished.copy()
    _unpublished.clear()
    redis = queue.client()
    keys: list[str] = [COUNTERS]
    args: list[ScriptArgument] = [pubsub_channel(redis), IDLE_TTL_S]
    for message in [*(BufferedMessage(source, step=count) for source, count in unpublished.items()), *messages]:
        keys.append(stream_key(message.source))
        args += [message.source, message.step, SOURCES[message.source], message.head, message.tail]
    try:
        async with asyncio.timeout(REDIS_TIMEOUT_S):
            await _run_script(redis, "append", keys, args)
    except (RedisError, OSError) as error:
        _unpublished.update(unpublished)
        _unpublished.update(message.source for message in messages)
        log.warning("live.publish_failed", n_messages=len(messages), error=type(error).__name__)


def _messages_of(heartbeats: Sequence[Heartbeat], events: Sequence[Event]) -> Iterator[BufferedMessage]:
    """The messages, split where Redis inserts the number: at the first `seq`, right after the tag."""
    frames: list[HeartbeatFrame | EventFrame] = []
    if heartbeats:
        frames += [HeartbeatFrame(seq=0, channel=HEARTBEATS, timestamp=datetime.now(UTC), data=list(heartbeats))]
    frames += [
        EventFrame(
            seq=0, channel=channel, timestamp=event.at, event=event.event, data=event.data, id=event.id,
            monitor_id=event.monitor_id,
        )
        for event in events
        for channel in ((EVENTS, INCIDENTS) if event.event.startswith(INCIDENT_PREFIX) else (EVENTS,))
    ]  # fmt: skip
    for frame in frames:
        head, key, tail = _encoder.encode(frame).partition(b'"seq":')
        yield BufferedMessage(frame.channel, head + key, tail.removeprefix(b"0"))


async def sync_counters(redis: Redis, newest: Mapping[str, int]) -> dict[str, int]:
    """The newest number of every source, never below `newest`. Creates missing counters."""
    args: list[ScriptArgument] = [part for source in SOURCES for part in (source, newest.get(source, 0))]
    return dict(zip(SOURCES, map(int, await _run_script(redis, "sync", [COUNTERS], args)), strict=True))


async def messages_since(redis: Redis, source: str, after: int) -> AsyncIterator[tuple[int, bytes]]:
    """(number, text) of the buffered messages after a number, oldest first. May start later and have gaps."""
    while page := await _read_page(redis, source, after):
        for id_, fields in page:
            after = int(id_.partition(b"-")[0])
            yield after, fields[b"t"]


async def _read_page(redis: Redis, source: str, after: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
    entries: Any = await redis.xrange(stream_key(source), min=f"({after}-0", count=PAGE_SIZE)
    return [(id_, fields) for id_, fields in entries]


async def _run_script(redis: Redis, name: str, keys: list[str], args: list[ScriptArgument]) -> list[bytes]:
    """Run a script by its digest; `register_script` sends the text only if Redis does not have it."""
    script = redis.register_script(_LUA[name])
    numbers: list[bytes] = await script(keys=keys, args=args)
    return numbers
