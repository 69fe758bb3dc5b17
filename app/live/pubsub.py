"""Redis pub/sub that reconnects after an outage, a restart, or when the connection is silently dead."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisGone, RedisError

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
                async for message in self._connected():
                    yield message
            except (RedisError, OSError) as error:
                self._log_lost(error)
                await asyncio.sleep(RETRY_S)

    async def _connected(self) -> AsyncIterator[bytes | None]:
        async with self._redis.pubsub() as pubsub:
            await pubsub.subscribe(self._channel)
            async for message in _received(pubsub):
                self._log_recovered()
                yield message

    def _log_lost(self, error: Exception) -> None:
        if not self._is_lost:
            log.warning("live.redis_unavailable", reason=type(error).__name__)
        self._is_lost = True

    def _log_recovered(self) -> None:
        if self._is_lost:
            log.info("live.redis_recovered")
        self._is_lost = False


async def _received(pubsub: PubSub) -> AsyncIterator[bytes | None]:
    """Messages of one connection. redis-py may reconnect silently, which a new `subscribe` confirmation reveals."""
    n_silences = 0
    while n_silences < 2:  # noqa: PLR2004  # one PING without an answer
        message: dict[str, Any] | None = await pubsub.get_message(timeout=SILENCE_S)
        if message is None:
            n_silences += 1
            await pubsub.ping()
            yield None
            continue
        n_silences = 0
        if message["type"] == "message":
            yield message["data"]
        elif message["type"] == "subscribe":
            yield None
    raise RedisGone("no answer to PING")
