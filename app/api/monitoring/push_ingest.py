"""Pushes on their way to the ingest stage: those that arrive while a batch is being queued form the next batch.

A push is answered when it is durable: on the queue or, while Redis is unavailable, in the database.
"""

import asyncio
from collections import OrderedDict
from time import monotonic

import structlog
from redis.exceptions import RedisError

from app import clock, queue
from app.errors import NotFound, TooMany, Unavailable
from app.store.transactions import monitors, result_isolation
from schema.heartbeat_texts import PUSHED, STARTED
from schema.jobs import PUSHED_KEY, STARTED_KEY, CheckOutcome
from schema.monitors import Snapshot
from schema.status import Status

ENDPOINT_TTL_S = 2.0  # how long a token is cached: a pause or a new token takes effect within it
MAX_ENDPOINTS = 20_000  # cached tokens; beyond it the oldest entry is dropped
MAX_AHEAD_MS = 1_000  # pushes of one monitor in one second: each has a millisecond of its own
QUEUE_TIMEOUT_S = 3.0  # a queue that takes longer counts as unavailable

log = structlog.get_logger()


class PushEndpoint:
    """The monitor of a push token. `last_ms` is the instant of its newest push, `source` the address it came from."""

    __slots__ = ("expires_s", "last_ms", "snapshot", "source")

    def __init__(self, snapshot: Snapshot, last_ms: int, source: str = "") -> None:
        self.snapshot = snapshot
        self.last_ms = last_ms
        self.source = source
        self.expires_s = monotonic() + ENDPOINT_TTL_S

    def next_ms(self) -> int:
        """The instant of a push, in epoch milliseconds, unique in this process. Raises TooMany."""
        now_ms = clock.now_ms()
        if self.last_ms > now_ms + 2 * MAX_AHEAD_MS:  # counting up does not reach this: the clock was set back
            self.last_ms = now_ms
        if self.last_ms >= now_ms + MAX_AHEAD_MS:
            raise TooMany("A monitor accepts at most a thousand pings per second.", retry_after_s=1)
        self.last_ms = max(now_ms, self.last_ms + 1)
        return self.last_ms

    def is_new_source(self, source: str) -> bool:
        """Whether this push comes from another address than the one before; remembers the address."""
        previous, self.source = self.source, source
        return previous != source


class PushEndpointCache:
    """Push endpoints that this process has looked up lately, by token."""

    def __init__(self) -> None:
        self.entries: OrderedDict[str, PushEndpoint] = OrderedDict()

    async def find(self, token: str) -> PushEndpoint:
        """The endpoint of a token. Raises NotFound, Conflict (paused)."""
        cached = self.entries.get(token)
        if cached is not None and cached.expires_s > monotonic():
            return cached
        self.entries.pop(token, None)
        snapshot = await monitors.find_by_push_token(token)
        if snapshot is None:
            raise NotFound("There is no monitor with this push token.")
        fresh = PushEndpoint(snapshot, cached.last_ms, cached.source) if cached else PushEndpoint(snapshot, 0)
        endpoint = self.entries.setdefault(token, fresh)  # another request may have stored one meanwhile
        if len(self.entries) > MAX_ENDPOINTS:
            self.entries.popitem(last=False)
        return endpoint


class PushBatch:
    """Pushes that are stored together. Each has its own future, so that a client that disconnects affects no other."""

    def __init__(self) -> None:
        self.outcomes: list[CheckOutcome] = []
        self.snapshots: dict[int, Snapshot] = {}
        self.waiters: list[asyncio.Future[None]] = []

    def add(self, outcome: CheckOutcome, snapshot: Snapshot) -> asyncio.Future[None]:
        """Add a push; the returned future completes when it is durable."""
        self.outcomes.append(outcome)
        self.snapshots[outcome.series] = snapshot
        self.waiters.append(asyncio.get_running_loop().create_future())
        return self.waiters[-1]

    def finish(self, error: Exception | None = None) -> None:
        """Complete the futures of all pushes, with the error when there is one."""
        for waiter in self.waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)


class PushBatcher:
    """Collects pushes and stores them, one batch at a time."""

    def __init__(self) -> None:
        self._pending: PushBatch | None = None
        self._flush_task: asyncio.Task[None] | None = None

    async def submit(self, outcome: CheckOutcome, snapshot: Snapshot) -> None:
        """Store a push, and return when it is durable. Raises the database's error when neither store accepts it."""
        if self._pending is None:
            self._pending = PushBatch()
        durable = self._pending.add(outcome, snapshot)
        if self._flush_task is None or self._flush_task.done():
            self._flush_task = asyncio.create_task(self._flush(), name="pings")
        await durable

    async def _flush(self) -> None:
        while self._pending is not None:
            batch, self._pending = self._pending, None
            try:
                await store_outcomes(batch.outcomes, batch.snapshots)
            except Exception as error:  # noqa: BLE001  # each waiting handler raises it
                batch.finish(error)
            except BaseException:  # cancelled: the handlers must not wait forever
                batch.finish(Unavailable("The ping was not stored. Send it again.", retry_after_s=1))
                raise
            else:
                batch.finish()


async def _record_latest(outcomes: list[CheckOutcome]) -> None:
    """Write the latest report and start of each series to Redis, for the push probe to read before they are stored."""
    reports = {one.series: _latest_value(one) for one in outcomes if one.code == PUSHED}
    starts = {one.series: one.at_ms for one in outcomes if one.code == STARTED}
    if reports:
        await queue.client().hset(PUSHED_KEY, mapping=reports)
    if starts:
        await queue.client().hset(STARTED_KEY, mapping=starts)


def _latest_value(outcome: CheckOutcome) -> int:
    """The instant of a report, negative when it reported down, as the push probe reads it."""
    return -outcome.at_ms if outcome.status is Status.DOWN else outcome.at_ms


endpoints, batcher = PushEndpointCache(), PushBatcher()


def clear_endpoints() -> None:
    """Drop all cached push endpoints, so that a changed token takes effect at once."""
    endpoints.entries.clear()


async def store_outcomes(outcomes: list[CheckOutcome], snapshots: dict[int, Snapshot]) -> None:
    """Put pushes on the queue or, while Redis is unavailable, into the database. Storing one twice changes nothing."""
    jobs = queue.result_jobs(outcomes)
    try:
        async with asyncio.timeout(QUEUE_TIMEOUT_S):
            await asyncio.gather(queue.put(*jobs), _record_latest(outcomes))
    except (RedisError, OSError, TimeoutError) as error:
        log.warning("push.enqueue_failed", n=len(outcomes), error=type(error).__name__)
        for job in jobs:
            await result_isolation.store_isolated(job, snapshots, clock.now_ms())


async def delete_latest(series: list[int]) -> None:
    """Delete the latest report and start of paused or deleted series from Redis; the heartbeats stay."""
    if series:
        await queue.client().hdel(PUSHED_KEY, *map(str, series))
        await queue.client().hdel(STARTED_KEY, *map(str, series))
