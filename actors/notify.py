"""The notify stage: tells each channel what it is owed, in order, once; what fails is written down and tried again.

A job is only a hint: deliveries are claimed in the database, sent, and settled there. Every channel has a queue of
its own in this process, so one that hangs holds nobody else; a crash leaves leases that end by themselves.
"""

import asyncio
from collections.abc import Iterable
from time import perf_counter, time

import structlog
from redis.exceptions import RedisError

from actors import delivery_attempt, worker_metrics
from actors.senders import SEND_TIMEOUT_S, DeliveryError, SenderContext, send
from app import clock, clock_watch, db, queue
from app.store.alerting import delivery_claims, delivery_results
from app.store.alerting.delivery_claims import DeliveryClaim
from app.store.alerting.delivery_results import AttemptResult
from app.store.monitoring import dependencies
from app.store.system import settings
from schema.channels.terms import Templates
from schema.jobs import NotifyBatch
from schema.message import Message

log = structlog.get_logger()

MAX_PARALLEL_SENDS = 50  # sends to one channel side by side
REPLY_TTL_S = 60
RECORD_ATTEMPTS = 5  # then the lease ends and the delivery goes out again under its own id


class Notifier:
    """Sends for this worker: a line of deliveries per channel, each worked off by a task of its own."""

    def __init__(self, tools: SenderContext, base_url: str, timeout_s: float = SEND_TIMEOUT_S) -> None:
        self._tools, self._base_url, self._timeout_s = tools, base_url, timeout_s
        self._queues: dict[str, dict[str, None]] = {}  # channel id -> delivery ids, in order
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._closing = False

    async def admit(self, batch: NotifyBatch) -> None:
        """Queue deliveries behind their channel's others. Returns at once: a slow channel holds no thread."""
        if batch.request_id:
            log.info("notify.admitted", channel=batch.channel_id, n=len(batch.deliveries), request_id=batch.request_id)
        self._enqueue(batch.channel_id, batch.deliveries)

    def _enqueue(self, channel_id: str, ids: Iterable[str]) -> None:
        self._queues.setdefault(channel_id, {}).update(dict.fromkeys(ids))
        if channel_id not in self._workers and not self._closing:
            task = asyncio.create_task(self._run_worker(channel_id), name=f"channel {channel_id}")
            self._workers[channel_id] = task
            task.add_done_callback(
                lambda done: self._forget_worker(channel_id, done)
            )  # it may be cancelled before it began

    async def _run_worker(self, channel_id: str) -> None:
        try:
            await self._drain(channel_id, self._queues[channel_id])
        finally:  # at once, whatever happened: who comes now starts another one
            self._forget_worker(channel_id, self._workers[channel_id])

    def _forget_worker(self, channel_id: str, clerk: asyncio.Task[None]) -> None:
        """Forget a line and who worked it off, in one step: whoever looks finds both or neither."""
        if self._workers.get(channel_id) is clerk:
            del self._queues[channel_id], self._workers[channel_id]

    async def _drain(self, channel_id: str, line: dict[str, None]) -> None:
        while line and not self._closing:
            ids = list(line)[:MAX_PARALLEL_SENDS]
            for id_ in ids:
                del line[id_]
            try:
                line.update(dict.fromkeys(await self._send_round(channel_id, ids)))
            except db.TRANSIENT_ERRORS as error:
                log.warning("notify.delayed", channel=channel_id, n=len(ids), error=type(error).__name__)
            except Exception:
                log.exception("notify.broke", channel=channel_id, n=len(ids))  # the leases end, the sweeper tries again

    async def _send_round(self, channel_id: str, ids: list[str]) -> list[str]:
        """Claim, send side by side, settle. Returns what became free by it."""
        # A clock that was set ahead makes nothing old: what would be given up for its age is tried on.
        give_up_s = await settings.get_value("delivery.give_up_after") * 3_600 + clock_watch.watch.ahead_s()
        claimed = await delivery_claims.claim(ids, clock.now_ms(), max_age_ms=int(give_up_s * 1000))
        if not claimed:
            return []
        tried = await asyncio.gather(*(self._send(one, give_up_s) for one in claimed))
        results = [one for part in tried for one in part]
        freed = await _record_results(results, claimed[0].channel.type)
        await _reply(results)
        for other, theirs in freed.items():
            if other != channel_id:
                self._enqueue(other, theirs)
        return freed.get(channel_id, [])

    async def _send(self, claimed: DeliveryClaim, give_up_s: float) -> list[AttemptResult]:
        """One message: how the try went for each delivery that it tells."""
        began, began_ms, failed = perf_counter(), clock.now_ms(), None
        try:
            message = await self._message(claimed, began_ms)
            await send(claimed.channel.config, message, self._tools, timeout_s=self._timeout_s)
        except DeliveryError as error:
            failed = error
        except (
            Exception
        ) as error:  # one that can't be put into words keeps no other one of its round from being settled
            log.exception("notify.not_rendered", delivery=claimed.id)
            failed = DeliveryError(f"a fault in Watchkeeper ({type(error).__name__}); its log has more")
        else:
            worker_metrics.NOTIFICATION_LATENCY.observe(max(0.0, time() - claimed.created_ms / 1000))
        took_ms = round((perf_counter() - began) * 1000)
        return delivery_attempt.attempt_results(
            claimed, failed, delivery_attempt.AttemptTiming(began_ms, took_ms), give_up_s
        )

    async def _message(self, claimed: DeliveryClaim, now_ms: int) -> Message:
        """What goes out, in the channel's own words if it has some."""
        behind = await _common_parent(claimed) if claimed.merged else ""
        message = delivery_attempt.build_message(claimed, now_ms, self._base_url, behind)
        if claimed.channel.rules.templates == Templates():
            return message
        return await asyncio.to_thread(
            delivery_attempt.apply_templates, claimed, message
        )  # its first use loads a library

    async def close(self, timeout_s: float) -> None:
        """Let rounds that are under way end; what still waits is found by the sweeper."""
        self._closing = True
        if self._workers:
            await asyncio.wait(list(self._workers.values()), timeout=timeout_s)


async def _common_parent(claimed: DeliveryClaim) -> str:
    """The monitor that all of a group hang on; a name that can't be had is no reason not to tell."""
    try:
        ids = {one.event.monitor_id for one in (claimed, *claimed.merged) if one.event.monitor_id}
        return await dependencies.common_parent(ids) or ""
    except db.TRANSIENT_ERRORS as error:
        log.warning("notify.cause_unread", error=type(error).__name__)
        return ""


async def _record_results(results: list[AttemptResult], type_: str) -> dict[str, list[str]]:
    """Write down how the tries went; a locked database is waited for, since what was sent must not go out again."""
    for attempt in range(1, RECORD_ATTEMPTS + 1):
        try:
            freed = await delivery_results.record_results(results, clock.now_ms())
            break
        except db.TRANSIENT_ERRORS as error:
            log.warning("notify.not_settled", n=len(results), attempt=attempt, error=type(error).__name__)
            if attempt == RECORD_ATTEMPTS:
                raise
            await asyncio.sleep(0.5 * attempt)
    for one in results:
        worker_metrics.NOTIFICATIONS.labels(state=one.state if one.state != "pending" else "failed", type=type_).inc()
        log.info("notify.settled", delivery=one.id, state=one.state, attempt=one.attempts, reason=one.error)
    return freed


async def _reply(results: Iterable[AttemptResult]) -> None:
    """Tell whoever waits for these deliveries (a channel's test) that they are settled."""
    try:
        async with queue.client().pipeline(transaction=False) as pipe:
            for one in results:
                pipe.rpush(f"wk:reply:{one.id}", one.state)
                pipe.expire(f"wk:reply:{one.id}", REPLY_TTL_S)
            await pipe.execute()
    except RedisError as error:
        log.warning("notify.reply_lost", error=type(error).__name__)
