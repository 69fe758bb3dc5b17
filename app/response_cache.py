"""Caches responses in Redis until the next write. The database remains the source of truth.

Every write invalidates all entries by incrementing the edition: an entry names the edition that it was made for.
Without Redis the database is queried, and Redis is tried again only every few seconds.
"""

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256
from time import monotonic
from typing import Any, TypeVar

import msgspec
import structlog
from redis.exceptions import RedisError

from app import queue, version

EDITION_KEY = "wk:cache:edition"
TTL_S = 30  # for an entry whose invalidation was lost with its writer
REDIS_TIMEOUT_S = 0.5  # a cache must not be slower than the database
RETRY_AFTER_S = 5.0  # after a failure of Redis

T = TypeVar("T")
log = structlog.get_logger()
_encoder = msgspec.msgpack.Encoder()
_key_encoder = msgspec.msgpack.Encoder(order="deterministic")  # equal sets have the same key in every process
_unavailable_until_s = 0.0


def cache_key(name: str, parameters: Any) -> str:
    """The key of an entry. Another version of the program may respond differently."""
    return f"wk:cache:{version.VERSION}:{name}:{sha256(_key_encoder.encode(parameters)).hexdigest()[:32]}"


async def get_or_compute(name: str, parameters: Any, type_: type[T], compute: Callable[[], Awaitable[T]]) -> T:
    """The cached value, or a new one, which is then cached. Never raises for Redis.

    parameters    all that the value depends on, besides the database
    """
    key = cache_key(name, parameters)
    edition, entry = await _read(key)
    if edition is not None and entry.startswith(edition + b":"):
        try:
            return msgspec.msgpack.decode(entry[len(edition) + 1 :], type=type_)
        except msgspec.DecodeError:
            log.warning("cache.entry_unreadable", name=name)
    value = await compute()
    if edition is not None:
        await _call_redis(queue.client().set(key, edition + b":" + _encoder.encode(value), ex=TTL_S))
    return value


async def invalidate() -> None:
    """Invalidate all entries. Never raises for Redis."""
    await _call_redis(queue.client().incr(EDITION_KEY))


async def _read(key: str) -> tuple[bytes | None, bytes]:
    """(the current edition, the cached entry); (None, …) without Redis."""
    if monotonic() < _unavailable_until_s:
        return None, b""
    found = await _call_redis(queue.client().mget(EDITION_KEY, key))
    return (None, b"") if found is None else (found[0] or b"0", found[1] or b"")


async def _call_redis(call: Awaitable[Any]) -> Any:
    """Redis's reply; None when Redis is unavailable."""
    global _unavailable_until_s  # noqa: PLW0603  # one Redis per process
    try:
        async with asyncio.timeout(REDIS_TIMEOUT_S):
            return await call
    except (RedisError, OSError) as error:
        _unavailable_until_s = monotonic() + RETRY_AFTER_S
        log.warning("cache.redis_unavailable", error=type(error).__name__)
        return None


def retry_now() -> None:
    """Use Redis again at once, when it is known to be back."""
    global _unavailable_until_s  # noqa: PLW0603  # one Redis per process
    _unavailable_until_s = 0.0
