"""The notify stage: tells each channel what it is owed, in order, once; what fails is written down and tried again.

A job is only a hint: deliveries are claimed in the database, sent, and settled there. Every channel has a queue of
its own in this process, so one that hangs holds nobody else; a crash leaves leases that end by themselves.
"""

import asyncio
import random
from collections.abc import Iterable
from time import time

import structlog
from redis.exceptions import RedisError

from actors import gauges
from actors.senders import Tools, Undelivered, message_of, send
from app import db, due, queue
from app.domain import patience
from app.store import channels, deliveries
from app.store.channels import OpenChannel
from app.store.deliveries import Claimed, Settled
from schema.events import EventKind
from schema.jobs import NotifyBatch

log = structlog.get_logger()

AT_ONCE = 50  # sends to one channel side by side
REPLY_KEPT_S = 60
TRIES_TO_SETTLE = 5  # then the lease ends and the delivery goes out again under its own id


class Desk:
    """Sends for this worker: a line of deliveries per channel, each worked off by a task of its own."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._lines: dict[str, dict[str, None]] = {}  # channel id -> delivery ids, in order
        self._clerks: dict[str, asyncio.Task[None]] = {}
        self._closing = False

    async def admit(self, batch: NotifyBatch) -> None:
        """Queue deliveries behind their channel's others. Returns at once: a slow channel holds no thread."""
        if batch.request_id:
            log.info("notify.admitted", channel=batch.channel_id, n=len(batch.deliveries), request_id=batch.request_id)
        self._line_up(batch.channel_id, batch.deliveries)

    def _line_up(self, channel_id: str, ids: Iterable[str]) -> None:
        self._lines.setdefault(channel_id, {}).update(dict.fromkeys(ids))
        if channel_id not in self._clerks and not self._closing:
            task = asyncio.create_task(self._work_off(channel_id), name=f"channel {channel_id}")
            self._clerks[channel_id] = task
            task.add_done_callback(lambda _: self._clerks.pop(channel_id, None))

    async def _work_off(self, channel_id: str) -> None:
        line = self._lines[channel_id]
        while line and not self._closing:
            ids = list(line)[:AT_ONCE]
            for id_ in ids:
                del line[id_]
            try:
                line.update(dict.fromkeys(await self._round(channel_id, ids)))
            except db.TROUBLE as error:
                log.warning("notify.delayed", channel=channel_id, n=len(ids), error=type(error).__name__)
            except Exception:
                log.exception("notify.broke", channel=channel_id, n=len(ids))  # the leases end, the sweeper tries again
        self._lines.pop(channel_id, None)

    async def _round(self, channel_id: str, ids: list[str]) -> list[str]:
        """Claim, send side by side, settle. Returns what became free by it."""
        claimed = await deliveries.claim(ids, due.now_ms())
        if not claimed:
            return []
        channel = (await channels.opened([channel_id])).get(channel_id)
        results = await asyncio.gather(*(self._send(one, channel) for one in claimed))
        freed = await _settle(list(results))
        await _reply(results)
        return freed.get(channel_id, [])

    async def _send(self, claimed: Claimed, channel: OpenChannel | None) -> Settled:
        if channel is None:
            return Settled(claimed.id, claimed.attempts, "dead", "the channel was deleted")
        try:
            await send(channel.config, message_of(claimed.event, claimed.id), self._tools)
        except Undelivered as failed:
            return _failed(claimed, failed)
        gauges.TOLD.observe(max(0.0, time() - claimed.created_ms / 1000))
        return Settled(claimed.id, claimed.attempts, "sent")

    async def close(self, within_s: float) -> None:
        """Let rounds that are under way end; what still waits is found by the sweeper."""
        self._closing = True
        if self._clerks:
            await asyncio.wait(list(self._clerks.values()), timeout=within_s)


def _failed(claimed: Claimed, failed: Undelivered) -> Settled:
    """A try that did not work: again later, or never, with the reason."""
    hopeless = patience.is_hopeless(time() - claimed.created_ms / 1000, permanent=failed.permanent)
    event = claimed.event
    once = event.event is EventKind.TEST or event.data.get("test") is True  # somebody waits, and only once
    if hopeless or once:
        return Settled(claimed.id, claimed.attempts, "dead", failed.reason)
    wait_s = patience.delay_s(claimed.attempts, failed.retry_after_s, random.random())  # noqa: S311 - spreads retries
    return Settled(claimed.id, claimed.attempts, "pending", failed.reason, due.now_ms() + int(wait_s * 1000))


async def _settle(results: list[Settled]) -> dict[str, list[str]]:
    """Write down how the tries went; a locked database is waited for, since what was sent must not go out again."""
    for attempt in range(1, TRIES_TO_SETTLE + 1):
        try:
            freed = await deliveries.settle(results, due.now_ms())
            break
        except db.TROUBLE as error:
            log.warning("notify.not_settled", n=len(results), attempt=attempt, error=type(error).__name__)
            if attempt == TRIES_TO_SETTLE:
                raise
            await asyncio.sleep(0.5 * attempt)
    for one in results:
        gauges.NOTIFIED.labels(state=one.state if one.state != "pending" else "failed").inc()
        log.info("notify.settled", delivery=one.id, state=one.state, attempt=one.attempts, reason=one.error)
    return freed


async def _reply(results: Iterable[Settled]) -> None:
    """Tell whoever waits for these deliveries (a channel's test) that they are settled."""
    try:
        async with queue.client().pipeline(transaction=False) as pipe:
            for one in results:
                pipe.rpush(f"wk:reply:{one.id}", one.state)
                pipe.expire(f"wk:reply:{one.id}", REPLY_KEPT_S)
            await pipe.execute()
    except RedisError as error:
        log.warning("notify.reply_lost", error=type(error).__name__)
