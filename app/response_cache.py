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

EDITION = "wk:cache:edition"
KEPT_S = 30  # an answer whose drop got lost with its writer
PATIENCE_S = 0.5  # a cache that is slower than the database is none
REST_S = 5.0  # after Redis failed us, before we ask it again

T = TypeVar("T")
log = structlog.get_logger()
_encoder = msgspec.msgpack.Encoder()
_asked_encoder = msgspec.msgpack.Encoder(order="deterministic")  # sets of one content have one key in every process
_rests_until = 0.0


def key_of(name: str, asked: Any) -> str:
    """Where an answer lies. Another version of the program may answer differently."""
    return f"wk:cache:{version.OURS}:{name}:{sha256(_asked_encoder.encode(asked)).hexdigest()[:32]}"


async def through(name: str, asked: Any, type_: type[T], make: Callable[[], Awaitable[T]]) -> T:
    """The answer to a question: the kept one, or a new one, which is kept. Never raises for Redis.

    asked    all that the answer depends on, besides what is stored
    """
    key = key_of(name, asked)
    edition, kept = await _read(key)
    if edition is not None and kept.startswith(edition + b":"):
        try:
            return msgspec.msgpack.decode(kept[len(edition) + 1 :], type=type_)
        except msgspec.DecodeError:
            log.warning("cache.unreadable", name=name)
    answer = await make()
    if edition is not None:
        await _asked(queue.client().set(key, edition + b":" + _encoder.encode(answer), ex=KEPT_S))
    return answer


async def drop() -> None:
    """What was answered so far may be wrong from now on. Never raises for Redis."""
    await _asked(queue.client().incr(EDITION))


async def _read(key: str) -> tuple[bytes | None, bytes]:
    """The edition that is valid now, and what is kept; (None, …) without Redis."""
    if monotonic() < _rests_until:
        return None, b""
    found = await _asked(queue.client().mget(EDITION, key))
    return (None, b"") if found is None else (found[0] or b"0", found[1] or b"")


async def _asked(question: Awaitable[Any]) -> Any:
    """Redis's answer; None when it has none for us just now."""
    global _rests_until  # noqa: PLW0603  # one Redis per process
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await question
    except (RedisError, OSError) as error:
        _rests_until = monotonic() + REST_S
        log.warning("cache.away", error=type(error).__name__)
        return None


def wake() -> None:
    """Ask Redis again at once; for whoever knows that it is back."""
    global _rests_until  # noqa: PLW0603  # one Redis per process
    _rests_until = 0.0
