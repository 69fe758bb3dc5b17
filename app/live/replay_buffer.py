"""The Redis side of live messages: a counter and a tape of the last messages for each source. Never the record."""

from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from redis.asyncio import Redis

from app.live.channels import SOURCES

COUNTERS = "wk:live:seq"
IDLE_TTL_S = 3_600  # a client that was away longer reads over HTTP anyway
PAGE_SIZE = 100  # messages per read of a tape: a few hundred kilobytes

ScriptArgument = str | int | bytes

_LUA = {path.stem: path.read_text() for path in Path(__file__).parent.glob("*.lua")}


class BufferedMessage(Struct, frozen=True):
    """A message on its way to the tape: its text is head, number, tail. Without a head, `step` numbers are used up."""

    source: str
    head: bytes = b""
    tail: bytes = b""
    step: int = 1


def stream_key(source: str) -> str:
    """The stream that holds the last messages of a source."""
    return f"wk:live:tape:{source}"


def pubsub_channel(redis: Redis) -> str:
    """The pub/sub channel. Redis shares those between its databases, so the database's number is part of the name."""
    return f"wk:live:{redis.connection_pool.connection_kwargs.get('db') or 0}"


async def append_messages(redis: Redis, messages: Iterable[BufferedMessage]) -> None:
    """Number, keep and tell messages, all in one step."""
    keys: list[str] = [COUNTERS]
    args: list[ScriptArgument] = [pubsub_channel(redis), IDLE_TTL_S]
    for entry in messages:
        keys.append(stream_key(entry.source))
        args += [entry.source, entry.step, SOURCES[entry.source], entry.head, entry.tail]
    await _run_script(redis, "append", keys, args)


async def sync_counters(redis: Redis, newest: Mapping[str, int]) -> dict[str, int]:
    """The newest number of every source, never below what was heard. Makes counters that are not there."""
    args: list[ScriptArgument] = [part for source in SOURCES for part in (source, newest.get(source, 0))]
    return dict(zip(SOURCES, map(int, await _run_script(redis, "settle", [COUNTERS], args)), strict=True))


async def messages_since(redis: Redis, source: str, after: int) -> AsyncIterator[tuple[int, bytes]]:
    """(number, text) of what the tape still holds after a number, oldest first. May begin later, and have holes."""
    while page := await _read_page(redis, source, after):
        for id_, fields in page:
            after = int(id_.partition(b"-")[0])
            yield after, fields[b"t"]


async def _read_page(redis: Redis, source: str, after: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
    entries: Any = await redis.xrange(stream_key(source), min=f"({after}-0", count=PAGE_SIZE)
    return [(id_, fields) for id_, fields in entries]


async def _run_script(redis: Redis, name: str, keys: list[str], args: list[ScriptArgument]) -> list[bytes]:
    """Run a script; `register_script` knows its digest and sends its text only when Redis has forgotten it."""
    script = redis.register_script(_LUA[name])
    numbers: list[bytes] = await script(keys=keys, args=args)
    return numbers
