"""Pings on their way to the ingest stage: all that arrive while some are being put on the queue leave together.

A ping is answered when it is durable: on the queue, or, while Redis is away, in the database itself.
"""

import asyncio
from collections import OrderedDict
from time import monotonic, time

import structlog
from redis.exceptions import RedisError

from app import queue
from app.errors import NotFound, TooMany, Unavailable
from app.store.transactions import monitors, result_isolation
from schema.heartbeat_texts import PUSHED, STARTED
from schema.jobs import PUSHED_KEY, STARTED_KEY, Outcome, ResultBatch
from schema.monitors import Snapshot
from schema.status import Status

KNOWN_S = 2.0  # how long a push address is believed: a pause or a new token takes effect within it
KNOWN_MOST = 20_000  # push addresses remembered; beyond it the one that was looked up first is forgotten
JOB_MOST = 500  # outcomes in one job
AHEAD_MS = 1_000  # pings of one monitor in one second: each has a millisecond of its own
PUT_S = 3.0  # a queue that takes longer counts as away

log = structlog.get_logger()


class Address:
    """Whose a push token is. `last_ms` is its newest ping's instant, `source` where that came from."""

    __slots__ = ("last_ms", "snapshot", "source", "until")

    def __init__(self, snapshot: Snapshot, last_ms: int, source: str = "") -> None:
        self.snapshot = snapshot
        self.last_ms = last_ms
        self.source = source
        self.until = monotonic() + KNOWN_S

    def next_ms(self) -> int:
        """The ping's instant, epoch milliseconds, which no other one of this process has. Raises TooMany."""
        now = int(time() * 1000)
        if self.last_ms > now + 2 * AHEAD_MS:  # not by counting up: the clock was put back
            self.last_ms = now
        if self.last_ms >= now + AHEAD_MS:
            raise TooMany("More than a thousand pings a second for one monitor.", retry_after_s=1)
        self.last_ms = max(now, self.last_ms + 1)
        return self.last_ms

    def is_new(self, source: str) -> bool:
        """Whether the ping before came from elsewhere, or none is known; notes where this one comes from."""
        before, self.source = self.source, source
        return before != source


class Addresses:
    """Push addresses this process has seen lately."""

    def __init__(self) -> None:
        self.known: OrderedDict[str, Address] = OrderedDict()

    async def find(self, token: str) -> Address:
        """Whose token it is. Raises NotFound, Conflict (paused)."""
        known = self.known.get(token)
        if known is not None and known.until > monotonic():
            return known
        self.known.pop(token, None)
        snapshot = await monitors.pushed(token)
        if snapshot is None:
            raise NotFound("There is no such push address.")
        fresh = Address(snapshot, known.last_ms, known.source) if known else Address(snapshot, 0)
        found = self.known.setdefault(token, fresh)
        if len(self.known) > KNOWN_MOST:
            self.known.popitem(last=False)
        return found


class Group:
    """Pings that leave together. Each has a future of its own: a client that leaves takes nobody's answer with it."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.snapshots: dict[int, Snapshot] = {}
        self.waiting: list[asyncio.Future[None]] = []

    def add(self, outcome: Outcome, snapshot: Snapshot) -> asyncio.Future[None]:
        """Take one ping along; returns what ends when it is durable."""
        self.outcomes.append(outcome)
        self.snapshots[outcome.series] = snapshot
        self.waiting.append(asyncio.get_running_loop().create_future())
        return self.waiting[-1]

    def end(self, error: Exception | None = None) -> None:
        """Tell everybody who still waits."""
        for one in self.waiting:
            if one.done():
                continue
            if error is None:
                one.set_result(None)
            else:
                one.set_exception(error)


class Mailbox:
    """Collects pings and carries them off, one group at a time."""

    def __init__(self) -> None:
        self._open: Group | None = None
        self._carrier: asyncio.Task[None] | None = None

    async def post(self, outcome: Outcome, snapshot: Snapshot) -> None:
        """Return when the ping is durable. Raises what the database says when neither it nor Redis takes it."""
        if self._open is None:
            self._open = Group()
        durable = self._open.add(outcome, snapshot)
        if self._carrier is None or self._carrier.done():
            self._carrier = asyncio.create_task(self._carry(), name="pings")
        await durable

    async def _carry(self) -> None:
        while self._open is not None:
            group, self._open = self._open, None
            try:
                await keep(group.outcomes, group.snapshots)
            except Exception as error:  # noqa: BLE001  # each waiting handler raises it
                group.end(error)
            except BaseException:  # we are cancelled: nobody may wait for ever
                group.end(Unavailable("The ping was not stored.", retry_after_s=1))
                raise
            else:
                group.end()


async def _remember(outcomes: list[Outcome]) -> None:
    """Let the probe see them before they are stored."""
    reports = {one.series: _remembered(one) for one in outcomes if one.code == PUSHED}
    starts = {one.series: one.at_ms for one in outcomes if one.code == STARTED}
    if reports:
        await queue.client().hset(PUSHED_KEY, mapping=reports)
    if starts:
        await queue.client().hset(STARTED_KEY, mapping=starts)


def _remembered(outcome: Outcome) -> int:
    """What the push probe reads: the instant, negative when the report said down."""
    return -outcome.at_ms if outcome.seen is Status.DOWN else outcome.at_ms


addresses, mailbox = Addresses(), Mailbox()


def forget() -> None:
    """Believe no push address that was looked up before; for whoever changed one and can't wait."""
    addresses.known.clear()


async def keep(outcomes: list[Outcome], snapshots: dict[int, Snapshot]) -> None:
    """Put pings on the queue; while Redis is away, store them at once. Either way twice is the same as once."""
    jobs = [ResultBatch(outcomes[start : start + JOB_MOST]) for start in range(0, len(outcomes), JOB_MOST)]
    try:
        async with asyncio.timeout(PUT_S):
            await asyncio.gather(queue.put(*jobs), _remember(outcomes))
    except (RedisError, OSError, TimeoutError) as error:
        log.warning("push.not_queued", n=len(outcomes), error=type(error).__name__)
        for job in jobs:
            await result_isolation.absorb(job, snapshots, int(time() * 1000))


async def drop(series: list[int]) -> None:
    """Forget when these were heard of last: paused or deleted. The record knows it still."""
    if series:
        await queue.client().hdel(PUSHED_KEY, *map(str, series))
        await queue.client().hdel(STARTED_KEY, *map(str, series))
