"""Pings on their way to the ingest stage: all that arrive while some are being put on the queue leave together.

A ping is answered when it is durable: on the queue, or, while Redis is away, in the database itself.
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
from schema.jobs import PUSHED_KEY, STARTED_KEY, CheckOutcome, ResultBatch
from schema.monitors import Snapshot
from schema.status import Status

ENDPOINT_TTL_S = 2.0  # how long a push address is believed: a pause or a new token takes effect within it
MAX_ENDPOINTS = 20_000  # push addresses remembered; beyond it the one that was looked up first is forgotten
MAX_OUTCOMES_PER_JOB = 500  # outcomes in one job
MAX_AHEAD_MS = 1_000  # pings of one monitor in one second: each has a millisecond of its own
QUEUE_TIMEOUT_S = 3.0  # a queue that takes longer counts as away

log = structlog.get_logger()


class PushEndpoint:
    """Whose a push token is. `last_ms` is its newest ping's instant, `source` where that came from."""

    __slots__ = ("last_ms", "snapshot", "source", "until")

    def __init__(self, snapshot: Snapshot, last_ms: int, source: str = "") -> None:
        self.snapshot = snapshot
        self.last_ms = last_ms
        self.source = source
        self.until = monotonic() + ENDPOINT_TTL_S

    def next_ms(self) -> int:
        """The ping's instant, epoch milliseconds, which no other one of this process has. Raises TooMany."""
        now = clock.now_ms()
        if self.last_ms > now + 2 * MAX_AHEAD_MS:  # not by counting up: the clock was put back
            self.last_ms = now
        if self.last_ms >= now + MAX_AHEAD_MS:
            raise TooMany("More than a thousand pings a second for one monitor.", retry_after_s=1)
        self.last_ms = max(now, self.last_ms + 1)
        return self.last_ms

    def is_new_source(self, source: str) -> bool:
        """Whether the ping before came from elsewhere, or none is known; notes where this one comes from."""
        before, self.source = self.source, source
        return before != source


class PushEndpointCache:
    """Push addresses this process has seen lately."""

    def __init__(self) -> None:
        self.entries: OrderedDict[str, PushEndpoint] = OrderedDict()

    async def find(self, token: str) -> PushEndpoint:
        """Whose token it is. Raises NotFound, Conflict (paused)."""
        known = self.entries.get(token)
        if known is not None and known.until > monotonic():
            return known
        self.entries.pop(token, None)
        snapshot = await monitors.find_by_push_token(token)
        if snapshot is None:
            raise NotFound("There is no such push address.")
        fresh = PushEndpoint(snapshot, known.last_ms, known.source) if known else PushEndpoint(snapshot, 0)
        found = self.entries.setdefault(token, fresh)
        if len(self.entries) > MAX_ENDPOINTS:
            self.entries.popitem(last=False)
        return found


class PushBatch:
    """Pings that leave together. Each has a future of its own: a client that leaves takes nobody's answer with it."""

    def __init__(self) -> None:
        self.outcomes: list[CheckOutcome] = []
        self.snapshots: dict[int, Snapshot] = {}
        self.waiters: list[asyncio.Future[None]] = []

    def add(self, outcome: CheckOutcome, snapshot: Snapshot) -> asyncio.Future[None]:
        """Take one ping along; returns what ends when it is durable."""
        self.outcomes.append(outcome)
        self.snapshots[outcome.series] = snapshot
        self.waiters.append(asyncio.get_running_loop().create_future())
        return self.waiters[-1]

    def finish(self, error: Exception | None = None) -> None:
        """Tell everybody who still waits."""
        for one in self.waiters:
            if one.done():
                continue
            if error is None:
                one.set_result(None)
            else:
                one.set_exception(error)


class PushBatcher:
    """Collects pings and carries them off, one group at a time."""

    def __init__(self) -> None:
        self._pending: PushBatch | None = None
        self._flush_task: asyncio.Task[None] | None = None

    async def submit(self, outcome: CheckOutcome, snapshot: Snapshot) -> None:
        """Return when the ping is durable. Raises what the database says when neither it nor Redis takes it."""
        if self._pending is None:
            self._pending = PushBatch()
        durable = self._pending.add(outcome, snapshot)
        if self._flush_task is None or self._flush_task.done():
            self._flush_task = asyncio.create_task(self._flush(), name="pings")
        await durable

    async def _flush(self) -> None:
        while self._pending is not None:
            group, self._pending = self._pending, None
            try:
                await store_outcomes(group.outcomes, group.snapshots)
            except Exception as error:  # noqa: BLE001  # each waiting handler raises it
                group.finish(error)
            except BaseException:  # we are cancelled: nobody may wait for ever
                group.finish(Unavailable("The ping was not stored.", retry_after_s=1))
                raise
            else:
                group.finish()


async def _record_latest(outcomes: list[CheckOutcome]) -> None:
    """Let the probe see them before they are stored."""
    reports = {one.series: _latest_value(one) for one in outcomes if one.code == PUSHED}
    starts = {one.series: one.at_ms for one in outcomes if one.code == STARTED}
    if reports:
        await queue.client().hset(PUSHED_KEY, mapping=reports)
    if starts:
        await queue.client().hset(STARTED_KEY, mapping=starts)


def _latest_value(outcome: CheckOutcome) -> int:
    """What the push probe reads: the instant, negative when the report said down."""
    return -outcome.at_ms if outcome.status is Status.DOWN else outcome.at_ms


endpoints, batcher = PushEndpointCache(), PushBatcher()


def clear_endpoints() -> None:
    """Believe no push address that was looked up before; for whoever changed one and can't wait."""
    endpoints.entries.clear()


async def store_outcomes(outcomes: list[CheckOutcome], snapshots: dict[int, Snapshot]) -> None:
    """Put pings on the queue; while Redis is away, store them at once. Either way twice is the same as once."""
    jobs = [
        ResultBatch(outcomes[start : start + MAX_OUTCOMES_PER_JOB])
        for start in range(0, len(outcomes), MAX_OUTCOMES_PER_JOB)
    ]
    try:
        async with asyncio.timeout(QUEUE_TIMEOUT_S):
            await asyncio.gather(queue.put(*jobs), _record_latest(outcomes))
    except (RedisError, OSError, TimeoutError) as error:
        log.warning("push.not_queued", n=len(outcomes), error=type(error).__name__)
        for job in jobs:
            await result_isolation.store_isolated(job, snapshots, clock.now_ms())


async def delete_latest(series: list[int]) -> None:
    """Forget when these were heard of last: paused or deleted. The record knows it still."""
    if series:
        await queue.client().hdel(PUSHED_KEY, *map(str, series))
        await queue.client().hdel(STARTED_KEY, *map(str, series))
