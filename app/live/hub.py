"""The hub of an API process: hears every live message once, and hands it to each socket that follows its channel."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress
from functools import partial

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app import tasks
from app.live import filters, replay_buffer
from app.live.channels import HEARTBEATS, SOURCES, kind_of
from app.live.coalescing import Coalescer
from app.live.fair_wakeup import FairWakeup
from app.live.pubsub import ReconnectingPubSub
from app.live.subscriber import LiveMessage, LiveSubscriber

log = structlog.stdlib.get_logger()


class Hub:
    """Readers by channel, and how far each source was heard. All on one event loop."""

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
        """Begin to listen. Needs no Redis yet."""
        self._listen_task = tasks.start_permanent(self._listen(), "live.hub")

    async def wait_synced(self, within_s: float) -> None:
        """Wait until it is known how far each source is: who joins earlier can't be told what they come after."""
        with suppress(TimeoutError):  # Redis is away: sockets are served all the same, and it is caught up with later
            async with asyncio.timeout(within_s):
                await self._synced.wait()

    async def stop(self) -> None:
        """Listen no more."""
        if self._listen_task is not None:
            await tasks.cancel(self._listen_task)
        self._coalescer.flush()

    def subscribe(self, channel: str, subscriber: LiveSubscriber) -> int:
        """Hand a channel's messages to a reader from now on; returns the number they come after, 0 before the first."""
        newest = self._newest.get(kind_of(channel).source, 0)
        readers = self._subscribers.setdefault(channel, set())
        if subscriber not in readers:
            readers.add(subscriber)
            subscriber.follow(channel, newest)
        return newest

    def unsubscribe(self, channel: str, subscriber: LiveSubscriber) -> None:
        """Hand it nothing more of a channel."""
        subscriber.forget(channel)
        readers = self._subscribers.get(channel, set())
        readers.discard(subscriber)
        if not readers:
            self._subscribers.pop(channel, None)

    async def replay(self, channel: str, since: int, upto: int) -> AsyncIterator[LiveMessage]:
        """What Redis still holds of a channel after `since`, the holes marked; it reaches at least `upto`."""
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
        """The tape; it ends early when Redis goes away, which the caller sees as a hole."""
        try:
            async for entry in replay_buffer.messages_since(self._redis, source, since):
                yield entry
        except (RedisError, OSError) as error:
            log.warning("live.replay_cut", source=source, reason=type(error).__name__)

    async def _listen(self) -> None:
        async with aclosing(
            ReconnectingPubSub(self._redis, replay_buffer.pubsub_channel(self._redis)).messages()
        ) as messages:
            async for message in messages:
                try:
                    await self._receive(message)
                except Exception:  # a bug met by one message must not end the hub: every socket would go quiet
                    log.exception("live.message_failed")

    async def _receive(self, message: bytes | None) -> None:
        """Hear one message, or look for what was missed. A number that does not follow means: look, too."""
        if message is None:
            await self._catch_up()
            return
        title, _, text = message.partition(b"\n")
        source, _, number = title.decode().partition(" ")
        if int(number) > self._newest.get(source, int(number)) + 1:
            await self._catch_up()
        self._accept(source, int(number), text)

    async def _catch_up(self) -> None:
        """Hear from the tape what was missed; what it no longer holds is lost. Redis away: tried again later."""
        try:
            for source, newest in (await replay_buffer.sync_counters(self._redis, self._newest)).items():
                await self._replay_until(source, newest)
            self._synced.set()
        except (RedisError, OSError) as error:
            log.warning("live.catch_up_failed", reason=type(error).__name__)

    async def _replay_until(self, source: str, newest: int) -> None:
        if source in self._newest and self._newest[source] < newest:
            async for seq, text in replay_buffer.messages_since(self._redis, source, self._newest[source]):
                self._accept(source, seq, text)
            self._mark_lost_until(source, newest)
        self._newest.setdefault(source, newest)

    def _accept(self, source: str, seq: int, text: bytes) -> None:
        """Take a message, unless it is known. A hole before it, or a message without a text, is a loss."""
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
        """Tell whoever follows the source that numbers are gone. Before the first word nobody can have missed any."""
        if self._newest.setdefault(source, seq) >= seq:
            return
        self._newest[source] = seq
        self._coalescer.flush()  # what came before the hole is told before it
        for channel in self._channels_of(source):
            self._enqueue(LiveMessage(channel, seq))

    def _channels_of(self, source: str) -> Iterator[str]:
        return (channel for channel in self._subscribers if kind_of(channel).source == source)

    def _enqueue(self, message: LiveMessage) -> None:
        readers = self._subscribers.get(message.channel, ())
        for reader in readers:
            reader.enqueue(message)
        self._wakeup.wake(readers)
