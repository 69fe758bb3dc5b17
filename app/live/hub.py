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
from app.live.channels import HEARTBEATS, SOURCES, feed_of
from app.live.coalescing import Bundle
from app.live.fair_wakeup import Waker
from app.live.pubsub import SteadyPubSub
from app.live.subscriber import Message, Reader

log = structlog.stdlib.get_logger()


class Hub:
    """Readers by channel, and how far each source was heard. All on one event loop."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._readers: dict[str, set[Reader]] = {}
        self._heard: dict[str, int] = {}
        self._waker = Waker()
        self._bundle = Bundle(partial(self._tell, HEARTBEATS), lambda: len(self._readers.get(HEARTBEATS, ())))
        self._listening: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()

    def start(self) -> None:
        """Begin to listen. Needs no Redis yet."""
        self._listening = tasks.lasting(self._listen(), "live.hub")

    async def settled(self, within_s: float) -> None:
        """Wait until it is known how far each source is: who joins earlier can't be told what they come after."""
        with suppress(TimeoutError):  # Redis is away: sockets are served all the same, and it is caught up with later
            async with asyncio.timeout(within_s):
                await self._settled.wait()

    async def stop(self) -> None:
        """Listen no more."""
        if self._listening is not None:
            await tasks.end(self._listening)
        self._bundle.flush()

    def join(self, channel: str, reader: Reader) -> int:
        """Hand a channel's messages to a reader from now on; returns the number they come after, 0 before the first."""
        newest = self._heard.get(feed_of(channel).source, 0)
        readers = self._readers.setdefault(channel, set())
        if reader not in readers:
            readers.add(reader)
            reader.follow(channel, newest)
        return newest

    def leave(self, channel: str, reader: Reader) -> None:
        """Hand it nothing more of a channel."""
        reader.forget(channel)
        readers = self._readers.get(channel, set())
        readers.discard(reader)
        if not readers:
            self._readers.pop(channel, None)

    async def replay(self, channel: str, since: int, upto: int) -> AsyncIterator[Message]:
        """What Redis still holds of a channel after `since`, the holes marked; it reaches at least `upto`."""
        last = since
        async for seq, text in self._kept(feed_of(channel).source, since):
            if seq > last + 1:
                yield Message(channel, seq - 1)
            last = seq
            if excerpt := filters.of_channel(channel, text):
                yield Message(channel, seq, excerpt)
        if last < upto:
            yield Message(channel, upto)

    async def _kept(self, source: str, since: int) -> AsyncIterator[tuple[int, bytes]]:
        """The tape; it ends early when Redis goes away, which the caller sees as a hole."""
        try:
            async for entry in replay_buffer.since(self._redis, source, since):
                yield entry
        except (RedisError, OSError) as error:
            log.warning("live.replay_cut", source=source, reason=type(error).__name__)

    async def _listen(self) -> None:
        async with aclosing(SteadyPubSub(self._redis, replay_buffer.wire_of(self._redis)).messages()) as messages:
            async for message in messages:
                try:
                    await self._take(message)
                except Exception:  # a bug met by one message must not end the hub: every socket would go quiet
                    log.exception("live.message_failed")

    async def _take(self, message: bytes | None) -> None:
        """Hear one message, or look for what was missed. A number that does not follow means: look, too."""
        if message is None:
            await self._catch_up()
            return
        title, _, text = message.partition(b"\n")
        source, _, number = title.decode().partition(" ")
        if int(number) > self._heard.get(source, int(number)) + 1:
            await self._catch_up()
        self._hear(source, int(number), text)

    async def _catch_up(self) -> None:
        """Hear from the tape what was missed; what it no longer holds is lost. Redis away: tried again later."""
        try:
            for source, newest in (await replay_buffer.settle(self._redis, self._heard)).items():
                await self._hear_until(source, newest)
            self._settled.set()
        except (RedisError, OSError) as error:
            log.warning("live.catch_up_failed", reason=type(error).__name__)

    async def _hear_until(self, source: str, newest: int) -> None:
        if source in self._heard and self._heard[source] < newest:
            async for seq, text in replay_buffer.since(self._redis, source, self._heard[source]):
                self._hear(source, seq, text)
            self._lose_until(source, newest)
        self._heard.setdefault(source, newest)

    def _hear(self, source: str, seq: int, text: bytes) -> None:
        """Take a message, unless it is known. A hole before it, or a message without a text, is a loss."""
        if source not in SOURCES or seq <= self._heard.get(source, 0):
            return
        self._lose_until(source, seq - 1 if text else seq)
        self._heard[source] = seq
        if text and source == HEARTBEATS:
            self._bundle.add(seq, text)
        elif text:
            self._tell(source, seq, text)

    def _tell(self, source: str, seq: int, text: bytes) -> None:
        for message in filters.of_source(source, seq, text, self._readers):
            self._offer(message)

    def _lose_until(self, source: str, seq: int) -> None:
        """Tell whoever follows the source that numbers are gone. Before the first word nobody can have missed any."""
        if self._heard.setdefault(source, seq) >= seq:
            return
        self._heard[source] = seq
        self._bundle.flush()  # what came before the hole is told before it
        for channel in self._channels(source):
            self._offer(Message(channel, seq))

    def _channels(self, source: str) -> Iterator[str]:
        return (channel for channel in self._readers if feed_of(channel).source == source)

    def _offer(self, message: Message) -> None:
        readers = self._readers.get(message.channel, ())
        for reader in readers:
            reader.keep(message)
        self._waker.wake(readers)
