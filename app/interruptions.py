"""Recent interruptions of all processes, in Redis: standstills and clock jumps."""

import asyncio

import msgspec
import structlog
from msgspec import Struct
from redis.exceptions import RedisError

from app import clock, clock_watch, queue, tasks
from app.clock_watch import JUMP_S, RECENT_S, Interruption

KEY = "wk:clock"  # hash: node → its interruptions, as JSON
RETRY_S = 1.0  # while Redis is away
MAX_PER_PROCESS = 8  # of one process
MAX_AGE_S = 86_400.0  # of a day: a nightly push may have failed

log = structlog.get_logger()


class PublishedInterruption(Struct, frozen=True):
    """One interruption, by its process's wall clock. The fields are those of `app.clock_watch.Interruption`."""

    from_ms: int
    to_ms: int
    jump_s: float

    @property
    def is_jump(self) -> bool:
        """Whether the wall clock was set."""
        return abs(self.jump_s) >= JUMP_S


class NodeInterruptions(Struct, frozen=True):
    """The interruptions of one process. `at_ms`: when they were published."""

    at_ms: int
    signs: list[PublishedInterruption]


async def watch_clock(node: str) -> None:
    """Watch this process's clocks until cancelled, and publish the interruptions that matter."""
    has_new = asyncio.Event()

    def notice(interruption: Interruption) -> None:
        log.warning("clock.interrupted", lost_s=round(interruption.lost_s, 1), jump_s=round(interruption.jump_s, 1))
        if _is_relevant(interruption):
            has_new.set()

    # No task group: it cancels its tasks once, and redis-py can swallow that.
    publishing = tasks.start_permanent(_publish(node, has_new), "clock.publish")
    try:
        await clock_watch.watch.run(notice)
    finally:
        await tasks.cancel(publishing)


async def _publish(node: str, has_new: asyncio.Event) -> None:
    while True:
        await has_new.wait()
        has_new.clear()
        try:
            await publish_interruptions(node, [one for one in clock_watch.watch.interruptions if _is_relevant(one)])
        except (RedisError, OSError) as error:
            log.warning("clock.publish_failed", error=type(error).__name__)
            has_new.set()
            await asyncio.sleep(RETRY_S)


def _is_relevant(interruption: Interruption) -> bool:
    return interruption.is_jump or interruption.lost_s >= JUMP_S


async def publish_interruptions(node: str, interruptions: list[Interruption]) -> None:
    """Publish a process's interruptions. Raises RedisError."""
    published = [
        PublishedInterruption(one.from_ms, one.to_ms, round(one.jump_s, 3)) for one in interruptions[-MAX_PER_PROCESS:]
    ]
    await queue.client().hset(KEY, node, msgspec.json.encode(NodeInterruptions(clock.now_ms(), published)))


def parse_last_day(raw: dict[bytes, bytes]) -> list[PublishedInterruption]:
    """The interruptions of all processes within a day, from the hash."""
    return [sign for one in _younger_than(raw, MAX_AGE_S).values() for sign in one.signs]


def _younger_than(raw: dict[bytes, bytes], age_s: float) -> dict[str, NodeInterruptions]:
    by_node = {field.decode(): msgspec.json.decode(text, type=NodeInterruptions) for field, text in raw.items()}
    now_ms = clock.now_ms()
    return {node: one for node, one in by_node.items() if abs(now_ms - one.at_ms) < age_s * 1_000}


async def list_recent() -> dict[str, list[PublishedInterruption]]:
    """Node → its interruptions of the last minutes; removes those older than a day. Raises RedisError."""
    raw = await queue.client().hgetall(KEY)
    fresh = _younger_than(raw, MAX_AGE_S)
    if expired := [field for field in raw if field.decode() not in fresh]:
        await queue.client().hdel(KEY, *expired)
    return {node: found.signs for node, found in _younger_than(raw, RECENT_S).items()}


async def largest_jump_s() -> float:
    """The largest recent jump of any process's clock, in seconds; 0.0 for none. Raises RedisError."""
    jumps = [one.jump_s for signs in (await list_recent()).values() for one in signs if one.is_jump]
    return max([*jumps, clock_watch.watch.jump_s()], key=abs)
