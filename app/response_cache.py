"""Answers that were put together before, in Redis, for as long as nothing has changed. Never the record.

Every write drops all of them, by moving on to the next edition: an answer names the edition it was made for. Whoever
has no Redis asks the database, at the price of asking Redis again only every few seconds.
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
TTL_S = 30  # an answer whose drop got lost with its writer
REDIS_TIMEOUT_S = 0.5  # a cache that is slower than the database is none
RETRY_AFTER_S = 5.0  # after Redis failed us, before we ask it again

T = TypeVar("T")
log = structlog.get_logger()
_encoder = msgspec.msgpack.Encoder()
_key_encoder = msgspec.msgpack.Encoder(order="deterministic")  # sets of one content have one key in every process
_unavailable_until_s = 0.0


def cache_key(name: str, asked: Any) -> str:
    """Where an answer lies. Another version of the program may answer differently."""
    return f"wk:cache:{version.VERSION}:{name}:{sha256(_key_encoder.encode(asked)).hexdigest()[:32]}"


async def get_or_compute(name: str, asked: Any, type_: type[T], make: Callable[[], Awaitable[T]]) -> T:
    """The answer to a question: the kept one, or a new one, which is kept. Never raises for Redis.

    asked    all that the answer depends on, besides what is stored
    """
    key = cache_key(name, asked)
    edition, kept = await _read(key)
    if edition is not None and kept.startswith(edition + b":"):
        try:
            return msgspec.msgpack.decode(kept[len(edition) + 1 :], type=type_)
        except msgspec.DecodeError:
            log.warning("cache.unreadable", name=name)
    answer = await make()
    if edition is not None:
        await _call_redis(queue.client().set(key, edition + b":" + _encoder.encode(answer), ex=TTL_S))
    return answer


async def invalidate() -> None:
    """What was answered so far may be wrong from now on. Never raises for Redis."""
    await _call_redis(queue.client().incr(EDITION_KEY))


async def _read(key: str) -> tuple[bytes | None, bytes]:
    """The edition that is valid now, and what is kept; (None, …) without Redis."""
    if monotonic() < _unavailable_until_s:
        return None, b""
    found = await _call_redis(queue.client().mget(EDITION_KEY, key))
    return (None, b"") if found is None else (found[0] or b"0", found[1] or b"")


async def _call_redis(question: Awaitable[Any]) -> Any:
    """Redis's answer; None when it has none for us just now."""
    global _unavailable_until_s  # noqa: PLW0603  # one Redis per process
    try:
        async with asyncio.timeout(REDIS_TIMEOUT_S):
            return await question
    except (RedisError, OSError) as error:
        _unavailable_until_s = monotonic() + RETRY_AFTER_S
        log.warning("cache.away", error=type(error).__name__)
        return None


def retry_now() -> None:
    """Ask Redis again at once; for whoever knows that it is back."""
    global _unavailable_until_s  # noqa: PLW0603  # one Redis per process
    _unavailable_until_s = 0.0
