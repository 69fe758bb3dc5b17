"""The notify stage: sends each channel's deliveries in order, once; failures are recorded and retried.

A job is only a hint: deliveries are claimed in the database, sent, and their results recorded there. Every channel has
its own queue in this process, so a slow one blocks no other; after a crash the leases expire by themselves.
"""

import asyncio
from collections.abc import Iterable
from time import perf_counter, time

import structlog
from redis.exceptions import RedisError

from actors import delivery_attempt, worker_metrics
from actors.senders import SEND_TIMEOUT_S, DeliveryError, SenderContext, SendReport, send
from app import clock, clock_watch, db, queue
from app.store.alerting import channels, delivery_claims, delivery_results
from app.store.alerting.delivery_claims import DeliveryClaim
from app.store.alerting.delivery_results import AttemptResult
from app.store.monitoring import dependencies
from app.store.system import settings
from schema.channels.rules import Templates
from schema.jobs import NotifyBatch
from schema.message import Message

log = structlog.get_logger()

MAX_PARALLEL_SENDS = 50  # to one channel
REPLY_TTL_S = 60
RECORD_ATTEMPTS = 5  # then the lease expires and the delivery is sent again under the same id


class Notifier:
    """Sends this worker's deliveries: one queue and one task per channel."""

    def __init__(self, context: SenderContext, base_url: str, timeout_s: float = SEND_TIMEOUT_S) -> None:
        self._context, self._base_url, self._timeout_s = context, base_url, timeout_s
        self._queues: dict[str, dict[str, None]] = {}  # channel id -> delivery ids, in order
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._closing = False

    async def admit(self, batch: NotifyBatch) -> None:
        """Append deliveries to their channel's queue. Returns at once: a slow channel holds no thread."""
        if batch.request_id:
            log.info("notify.enqueued", channel=batch.channel_id, n=len(batch.deliveries), request_id=batch.request_id)
        self._enqueue(batch.channel_id, batch.deliveries)

    def _enqueue(self, channel_id: str, ids: Iterable[str]) -> None:
        self._queues.setdefault(channel_id, {}).update(dict.fromkeys(ids))
        if channel_id not in self._workers and not self._closing:
            task = asyncio.create_task(self._run_worker(channel_id), name=f"channel {channel_id}")
            self._workers[channel_id] = task
            # The task may be cancelled before it starts: then only this callback forgets it.
            task.add_done_callback(lambda done: self._forget_worker(channel_id, done))

    async def _run_worker(self, channel_id: str) -> None:
        """Send a channel's deliveries in rounds until none is queued."""
        pending = self._queues[channel_id]
        try:
            while pending and not self._closing:
                ids = list(pending)[:MAX_PARALLEL_SENDS]
                for id_ in ids:
                    del pending[id_]
                try:
                    pending.update(dict.fromkeys(await self._send_round(channel_id, ids)))
                except db.TRANSIENT_ERRORS as error:
                    log.warning("notify.db_retry", channel=channel_id, n=len(ids), error=type(error).__name__)
                except Exception:  # the leases expire, the sweep retries
                    log.exception("notify.crashed", channel=channel_id, n=len(ids))
        finally:  # at once: the next delivery starts a new worker
            self._forget_worker(channel_id, self._workers[channel_id])

    def _forget_worker(self, channel_id: str, worker: asyncio.Task[None]) -> None:
        """Remove a queue and its worker in one step, so that there are both or neither."""
        if self._workers.get(channel_id) is worker:
            del self._queues[channel_id], self._workers[channel_id]

    async def _send_round(self, channel_id: str, ids: list[str]) -> list[str]:
        """Claim, send concurrently, record the results. Returns the channel's deliveries that this released."""
        # A clock that is ahead must not expire deliveries: their maximum age grows by as much.
        max_age_s = await settings.get_value("delivery.give_up_after_hours") * 3_600 + clock_watch.watch.ahead_s()
        claims = await delivery_claims.claim(ids, clock.now_ms(), max_age_ms=int(max_age_s * 1000))
        if not claims:
            return []
        attempts = await asyncio.gather(*(self._send(claim, max_age_s) for claim in claims))
        results = [result for attempt in attempts for result in attempt]
        released = await _record_results(results, claims[0].channel.type)
        await _reply(results)
        for other, released_ids in released.items():
            if other != channel_id:
                self._enqueue(other, released_ids)
        return released.get(channel_id, [])

    async def _send(self, claim: DeliveryClaim, max_age_s: float) -> list[AttemptResult]:
        """Send one message; returns the result of each delivery that it carries."""
        began, began_ms, failure = perf_counter(), clock.now_ms(), None
        report = SendReport(claim.settled)
        try:
            message = await self._message(claim, began_ms)
            await send(claim.channel.config, message, self._context, timeout_s=self._timeout_s, report=report)
        except DeliveryError as error:
            failure = error
        except Exception as error:  # the other deliveries of the round are still recorded
            log.exception("delivery.crashed", delivery=claim.id)
            failure = DeliveryError(f"a fault in Watchkeeper ({type(error).__name__}); its log has more")
        else:
            worker_metrics.NOTIFICATION_LATENCY.observe(max(0.0, time() - claim.created_ms / 1000))
        timing = delivery_attempt.AttemptTiming(began_ms, round((perf_counter() - began) * 1000))
        if report.config_changes:
            await _follow_provider(claim, report.config_changes)
        return delivery_attempt.attempt_results(claim, failure, timing, max_age_s, report)

    async def _message(self, claim: DeliveryClaim, now_ms: int) -> Message:
        """The message to send, rendered by the channel's templates if it has any."""
        parent = await _common_parent(claim) if claim.merged else ""
        message = delivery_attempt.build_message(claim, now_ms, self._base_url, parent)
        if claim.channel.rules.templates == Templates():
            return message
        # In a thread: the first use loads a library.
        return await asyncio.to_thread(delivery_attempt.apply_templates, claim, message)

    async def close(self, timeout_s: float) -> None:
        """Wait up to `timeout_s` for rounds in progress; the sweep finds what is still queued."""
        self._closing = True
        if self._workers:
            await asyncio.wait(list(self._workers.values()), timeout=timeout_s)


async def _common_parent(claim: DeliveryClaim) -> str:
    """Name of the monitor that all monitors of a digest depend on; empty when none, or when the database fails."""
    try:
        ids = {one.event.monitor_id for one in (claim, *claim.merged) if one.event.monitor_id}
        return await dependencies.common_parent(ids) or ""
    except db.TRANSIENT_ERRORS as error:
        log.warning("notify.parent_lookup_failed", error=type(error).__name__)
        return ""


async def _follow_provider(claim: DeliveryClaim, changes: dict[str, str]) -> None:
    """Store what the provider said the channel's config should be; when that fails, it says so again next time."""
    try:
        is_changed = await channels.adopt_changes(claim.channel.id, claim.channel.config, changes)
    except db.TRANSIENT_ERRORS as error:
        log.warning("notify.channel_update_failed", channel=claim.channel.id, error=type(error).__name__)
        return
    if is_changed:
        log.info("notify.channel_updated", channel=claim.channel.id, fields=sorted(changes))


async def _record_results(results: list[AttemptResult], type_: str) -> dict[str, list[str]]:
    """Record the results. Retries while the database is locked: what was sent must not be sent again."""
    for attempt in range(1, RECORD_ATTEMPTS + 1):
        try:
            released = await delivery_results.record_results(results, clock.now_ms())
            break
        except db.TRANSIENT_ERRORS as error:
            log.warning("delivery.record_failed", n=len(results), attempt=attempt, error=type(error).__name__)
            if attempt == RECORD_ATTEMPTS:
                raise
            await asyncio.sleep(0.5 * attempt)
    for result in results:
        worker_metrics.NOTIFICATIONS.labels(
            state=result.state if result.state != "pending" else "failed", type=type_
        ).inc()
        log.info(
            "delivery.attempted", delivery=result.id, state=result.state, attempt=result.attempts, reason=result.error
        )
    return released


async def _reply(results: Iterable[AttemptResult]) -> None:
    """Push the final states to the reply lists, where a channel test waits for them."""
    try:
        async with queue.client().pipeline(transaction=False) as pipe:
            for result in results:
                pipe.rpush(f"wk:reply:{result.id}", result.state)
                pipe.expire(f"wk:reply:{result.id}", REPLY_TTL_S)
            await pipe.execute()
    except RedisError as error:
        log.warning("notify.reply_failed", error=type(error).__name__)
