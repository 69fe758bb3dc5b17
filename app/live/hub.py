"""The hub of an API process: receives every live message once and passes it to the subscribers of its channel.

Its subscription to Redis survives an outage, a restart, and a connection that is silently dead.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, suppress
from functools import partial
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisGone, RedisError

from app import tasks
from app.live import filters, replay_buffer
from app.live.channels import HEARTBEATS, SOURCES, kind_of
from app.live.coalescing import Coalescer
from app.live.fair_wakeup import FairWakeup
from app.live.subscriber import LiveMessage, LiveSubscriber

RETRY_S = 0.5  # between attempts to reconnect
SILENCE_S = 5.0  # without a message for this long, PING; after twice this, reconnect

log = structlog.stdlib.get_logger()


class ReconnectingPubSub:
    """A subscription to one pub/sub channel that never ends."""

    def __init__(self, redis: Redis, channel: str) -> None:
        self._redis = redis
        self._channel = channel
        self._is_lost = False

    async def messages(self) -> AsyncGenerator[bytes | None, None]:
        """Every message, and None whenever some may have been missed: at the start, after a break, after a silence."""
        while True:
            try:
                async for message in self._received():
                    yield message
            except (RedisError, OSError) as error:
                if not self._is_lost:
                    log.warning("live.redis_unavailable", error=type(error).__name__)
                self._is_lost = True
                await asyncio.sleep(RETRY_S)

    async def _received(self) -> AsyncIterator[bytes | None]:
        """Messages of one connection. redis-py may reconnect silently, which a new `subscribe` confirmation reveals."""
        n_silences = 0
        async with self._redis.pubsub() as pubsub:
            await pubsub.subscribe(self._channel)
            while n_silences < 2:  # noqa: PLR2004  # one PING without an answer
                message: dict[str, Any] | None = await pubsub.get_message(timeout=SILENCE_S)
                if message is None:
                    n_silences += 1
                    await pubsub.ping()
                    yield None
                    continue
                n_silences = 0
                if message["type"] in {"message", "subscribe"}:
                    if self._is_lost:
                        log.info("live.redis_recovered")
                    self._is_lost = False
                    yield message["data"] if message["type"] == "message" else None
        raise RedisGone("no answer to PING")


class Hub:
    """Subscribers by channel, and the newest number of each source. All on one event loop."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._subscribers: dict[str, set[LiveSubscriber]] = {}
        self._newest: dict[str, int] = {}
        self._wakeup = FairWakeup()
        self._coalescer = Coalescer(
            partial(self._deliver, HEARTBEATS), lambda: len(self._subscribers.get(HEARTBEATS, ()))
        )
        self._listen_task: asyncio.Task[None] | None = None
        self._synced = asyncio.Event()

    def start(self) -> None:
        """Start listening. Redis may still be unavailable."""
        self._listen_task = tasks.start_permanent(self._listen(), "live.hub")

    async def wait_synced(self, within_s: float) -> None:
        """Wait until the newest number of each source is known, from which new subscribers can detect gaps."""
        with suppress(TimeoutError):  # Redis is unavailable: serve sockets anyway and catch up later
            async with asyncio.timeout(within_s):
                await self._synced.wait()

    async def stop(self) -> None:
        """Stop listening, and deliver held messages."""
        if self._listen_task is not None:
            await tasks.cancel(self._listen_task)
        self._coalescer.flush()

    def subscribe(self, channel: str, subscriber: LiveSubscriber) -> int:
        """Pass a channel's messages to a subscriber from now on. Returns the newest number so far, or 0."""
        newest = self._newest.get(kind_of(channel).source, 0)
        subscribers = self._subscribers.setdefault(channel, set())
        if subscriber not in subscribers:
            subscribers.add(subscriber)
            subscriber.follow(channel, newest)
        return newest

    def unsubscribe(self, channel: str, subscriber: LiveSubscriber) -> None:
        """Pass no more messages of a channel to a subscriber."""
        subscriber.forget(channel)
        subscribers = self._subscribers.get(channel, set())
        subscribers.discard(subscriber)
        if not subscribers:
            self._subscribers.pop(channel, None)

    async def replay(self, channel: str, since: int, upto: int) -> AsyncIterator[LiveMessage]:
        """The buffered messages of a channel after `since`, with gaps marked; it reaches at least `upto`."""
        last = since
        async for seq, text in self._buffered(kind_of(channel).source, since):
            if seq > last + 1:
                yield LiveMessage(channel, seq - 1)
            last = seq
            if excerpt := filters.filter_by_channel(channel, text):
                yield LiveMessage(channel, seq, excerpt)
        if last < upto:
            yield LiveMessage(channel, upto)

    async def _buffered(self, source: str, since: int) -> AsyncIterator[tuple[int, bytes]]:
        """The replay buffer. It ends early if Redis becomes unavailable, which the caller treats as a gap."""
        try:
            async for numbered_text in replay_buffer.messages_since(self._redis, source, since):
                yield numbered_text
        except (RedisError, OSError) as error:
            log.warning("live.replay_truncated", source=source, error=type(error).__name__)

    async def _listen(self) -> None:
        async with aclosing(
            ReconnectingPubSub(self._redis, replay_buffer.pubsub_channel(self._redis)).messages()
        ) as messages:
            async for message in messages:
                try:
                    await self._receive(message)
                except Exception:  # a bug in one message must not stop the hub, and with it all sockets
                    log.exception("live.crashed")

    async def _receive(self, message: bytes | None) -> None:
        """Take one message. On None, or if its number leaves a gap, catch up from the replay buffer first."""
        if message is None:
            await self._catch_up()
            return
        header, _, text = message.partition(b"\n")
        source, _, number = header.decode().partition(" ")
        if int(number) > self._newest.get(source, int(number)) + 1:
            await self._catch_up()
        self._accept(source, int(number), text)

    async def _catch_up(self) -> None:
        """Read missed messages from the replay buffer; older ones are lost. Retried later if Redis is unavailable."""
        try:
            for source, newest in (await replay_buffer.sync_counters(self._redis, self._newest)).items():
                await self._replay_until(source, newest)
            self._synced.set()
        except (RedisError, OSError) as error:
            log.warning("live.catch_up_failed", error=type(error).__name__)

    async def _replay_until(self, source: str, newest: int) -> None:
        if source in self._newest and self._newest[source] < newest:
            async for seq, text in replay_buffer.messages_since(self._redis, source, self._newest[source]):
                self._accept(source, seq, text)
            self._mark_lost_until(source, newest)
        self._newest.setdefault(source, newest)

    def _accept(self, source: str, seq: int, text: bytes) -> None:
        """Deliver a message unless it is known. A gap before it, or a message without text, is marked as lost."""
        if source not in SOURCES or seq <= self._newest.get(source, 0):
            return
        self._mark_lost_until(source, seq - 1 if text else seq)
        self._newest[source] = seq
        if text and source == HEARTBEATS:
            self._coalescer.add(seq, text)
        elif text:
            self._deliver(source, seq, text)

    def _deliver(self, source: str, seq: int, text: bytes) -> None:
        for message in filters.split_by_channel(source, seq, text, self._subscribers):
            self._enqueue(message)

    def _mark_lost_until(self, source: str, seq: int) -> None:
        """Send the source's subscribers a gap. Before the first message of a source there can be none."""
        if self._newest.setdefault(source, seq) >= seq:
            return
        self._newest[source] = seq
        self._coalescer.flush()  # deliver messages before the gap first
        for channel in self._channels_of(source):
            self._enqueue(LiveMessage(channel, seq))

    def _channels_of(self, source: str) -> Iterator[str]:
        return (channel for channel in self._subscribers if kind_of(channel).source == source)

    def _enqueue(self, message: LiveMessage) -> None:
        subscribers = self._subscribers.get(message.channel, ())
        for subscriber in subscribers:
            subscriber.enqueue(message)
        self._wakeup.wake(subscribers)
