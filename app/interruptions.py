"""What processes noticed of their clocks lately, in Redis: who could notice nothing when, and whose clock jumped."""

import asyncio

import msgspec
import structlog
from msgspec import Struct
from redis.exceptions import RedisError

from app import clock, clock_watch, queue, tasks
from app.clock_watch import JUMP_S, RECENT_S, Interruption

KEY = "wk:clock"  # hash: node → what it noticed, as JSON
RETRY_S = 1.0  # while Redis is away
MAX_PER_PROCESS = 8  # of one process
MAX_AGE_S = 86_400.0  # a nightly report that could not come in

log = structlog.get_logger()


class PublishedInterruption(Struct, frozen=True):
    """One interruption. By the wall clock of its process; as `app.clock_watch.Interruption` has it."""

    from_ms: int
    to_ms: int
    jump_s: float

    @property
    def is_jump(self) -> bool:
        """Whether the wall clock moved by itself."""
        return abs(self.jump_s) >= JUMP_S


class NodeInterruptions(Struct, frozen=True):
    """What one process noticed. `at_ms`: when it wrote that down."""

    at_ms: int
    signs: list[PublishedInterruption]


async def watch_clock(node: str) -> None:
    """Watch this process's clocks, and publish what lasted, until cancelled."""
    news = asyncio.Event()

    def notice(found: Interruption) -> None:
        log.warning("clock.interrupted", lost_s=round(found.lost_s, 1), jump_s=round(found.jump_s, 1))
        if _is_relevant(found):
            news.set()

    # No task group: it cancels its tasks once, and redis-py can swallow that.
    publishing = tasks.start_permanent(_publish(node, news), "clock.publish")
    try:
        await clock_watch.watch.run(notice)
    finally:
        await tasks.cancel(publishing)


async def _publish(node: str, news: asyncio.Event) -> None:
    while True:
        await news.wait()
        news.clear()
        try:
            await publish_interruptions(node, [one for one in clock_watch.watch.interruptions if _is_relevant(one)])
        except (RedisError, OSError) as error:
            log.warning("clock.not_published", error=type(error).__name__)
            news.set()
            await asyncio.sleep(RETRY_S)


def _is_relevant(one: Interruption) -> bool:
    return one.is_jump or one.lost_s >= JUMP_S


async def publish_interruptions(node: str, found: list[Interruption]) -> None:
    """Publish what a process noticed. Raises RedisError."""
    signs = [PublishedInterruption(one.from_ms, one.to_ms, round(one.jump_s, 3)) for one in found[-MAX_PER_PROCESS:]]
    await queue.client().hset(KEY, node, msgspec.json.encode(NodeInterruptions(clock.now_ms(), signs)))


def parse_last_day(raw: dict[bytes, bytes]) -> list[PublishedInterruption]:
    """What all processes noticed within a day, of what the hash holds."""
    return [sign for one in _younger_than(raw, MAX_AGE_S).values() for sign in one.signs]


def _younger_than(raw: dict[bytes, bytes], age_s: float) -> dict[str, NodeInterruptions]:
    told = {field.decode(): msgspec.json.decode(text, type=NodeInterruptions) for field, text in raw.items()}
    now_ms = clock.now_ms()
    return {node: one for node, one in told.items() if abs(now_ms - one.at_ms) < age_s * 1_000}


async def list_recent() -> dict[str, list[PublishedInterruption]]:
    """Node → what it noticed within the last minutes; what is older than a day is removed. Raises RedisError."""
    raw = await queue.client().hgetall(KEY)
    kept = _younger_than(raw, MAX_AGE_S)
    if gone := [field for field in raw if field.decode() not in kept]:
        await queue.client().hdel(KEY, *gone)
    return {node: one.signs for node, one in _younger_than(raw, RECENT_S).items()}


async def largest_jump_s() -> float:
    """The largest recent jump of any of our clocks, in seconds; 0.0 for none. Raises RedisError."""
    jumps = [one.jump_s for signs in (await list_recent()).values() for one in signs if one.is_jump]
    return max([*jumps, clock_watch.watch.jump_s()], key=abs)
