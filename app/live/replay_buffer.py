"""Counters and the last messages of each source, in Redis streams, for replay. The database has the full history."""

from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from redis.asyncio import Redis

from app.live.channels import SOURCES

COUNTERS = "wk:live:seq"
IDLE_TTL_S = 3_600  # a client that was away longer reads over HTTP
PAGE_SIZE = 100  # messages per read, a few hundred kilobytes

ScriptArgument = str | int | bytes

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


async def append_messages(redis: Redis, messages: Iterable[BufferedMessage]) -> None:
    """Number, buffer and publish messages in one atomic step."""
    keys: list[str] = [COUNTERS]
    args: list[ScriptArgument] = [pubsub_channel(redis), IDLE_TTL_S]
    for message in messages:
        keys.append(stream_key(message.source))
        args += [message.source, message.step, SOURCES[message.source], message.head, message.tail]
    await _run_script(redis, "append", keys, args)


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
