"""The notify stage: sends each channel's deliveries in order, once; failures are recorded and retried.

A job is only a hint: deliveries are claimed in the database, sent, and their results recorded there. Every channel has
its own lane in this process, so a slow one blocks no other; after a crash the leases expire by themselves, or
`actors.takeover` ends them.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from time import perf_counter, time
from typing import TypeVar

import structlog
from redis.exceptions import RedisError

from actors import delivery_attempt, worker_metrics
from actors.alert_lag import AlertLag
from actors.channel_lane import ChannelLane
from actors.delivery_attempt import AttemptTiming
from actors.senders import SEND_TIMEOUT_S, DeliveryError, SenderContext, SendReport, send
from actors.thread_turns import ThreadTurns
from app import clock, clock_watch, db, process_watch, queue
from app.store.alerting import channels, delivery_claims, delivery_results
from app.store.alerting.delivery_claims import DeliveryClaim
from app.store.alerting.delivery_results import AttemptResult
from app.store.monitoring import dependencies
from app.store.system import settings
from schema.channels.rules import Templates
from schema.jobs import NotifyBatch
from schema.message import Message

log = structlog.get_logger()

MAX_CLAIMS_PER_TURN = 2_000  # of all channels together: it bounds the transaction
MIN_COLLECT_S = 0.02  # between two turns: below this the next one begins at once
QUICK_S = 0.5  # a channel that accepts a message within this is not what alerts wait for
REPLY_TTL_S = 60
RECORD_ATTEMPTS = 5  # then the lease expires and the delivery is sent again under the same id

T = TypeVar("T")
ByChannel = dict[str, list[T]]


class Notifier:
    """Sends this worker's deliveries, in turns.

    A turn records what was sent since the last one and claims what waits, of all channels together: when thousands of
    monitors fail at once, transactions for each channel would wait in line behind those that store results.
    """

    def __init__(
        self,
        context: SenderContext,
        base_url: str,
        timeout_s: float = SEND_TIMEOUT_S,
        *,
        timezone: str = "UTC",
        lag: AlertLag | None = None,
        turns: ThreadTurns | None = None,
    ) -> None:
        self._lag, self._thread_turns = lag or AlertLag(), turns
        self._context, self._base_url, self._timeout_s, self._timezone = context, base_url, timeout_s, timezone
        self._process = process_watch.own_identity()
        self._lanes: defaultdict[str, ChannelLane] = defaultdict(ChannelLane)
        self._sends: set[asyncio.Task[None]] = set()
        self._sent: ByChannel[AttemptResult] = {}
        self._wake = asyncio.Event()
        self._turns: asyncio.Task[None] | None = None
        self._closing = False

    async def admit(self, batch: NotifyBatch) -> None:
        """Append deliveries to their channels' queues. Returns at once: a slow channel holds no thread."""
        if batch.request_id:
            for channel_id, ids in batch.deliveries.items():
                log.info("notify.enqueued", channel=channel_id, n=len(ids), request_id=batch.request_id)
        self._enqueue(batch.deliveries)

    def _enqueue(self, deliveries: Mapping[str, Iterable[str]]) -> None:
        if self._closing:
            return  # the sweep finds them
        if deliveries and self._thread_turns:
            self._thread_turns.shorten()
        for channel_id, ids in deliveries.items():
            self._lanes[channel_id].pending.update(dict.fromkeys(ids))
        self._wake.set()
        if self._turns is None or self._turns.done():
            self._turns = asyncio.create_task(self._take_turns(), name="notify")

    async def _take_turns(self) -> None:
        """Take turns until nothing waits and nothing is being sent."""
        while self._lanes or self._sent:
            await self._wake.wait()
            self._wake.clear()
            sent, self._sent = self._sent, {}
            await _isolated(self._record, sent)
            await _isolated(self._give_back, self._unsendable())
            await _isolated(self._claim, self._take_pending())
            for channel_id in [channel_id for channel_id, lane in self._lanes.items() if lane.is_idle]:
                del self._lanes[channel_id]
            if not self._closing and (collect_s := self._lag.collect_s()) >= MIN_COLLECT_S:
                await asyncio.sleep(collect_s)

    def _take_pending(self) -> ByChannel[str]:
        """Remove the ids of the deliveries to claim now. Who gets a part comes last in the next turn."""
        taken, room = dict[str, list[str]](), MAX_CLAIMS_PER_TURN
        for channel_id, lane in list(self._lanes.items()):
            if ids := lane.take_pending(room):
                taken[channel_id] = ids
                room -= len(ids)
                self._lanes[channel_id] = self._lanes.pop(channel_id)
        if not room:
            self._wake.set()
        return taken

    async def _claim(self, pending: ByChannel[str]) -> None:
        """Claim deliveries and begin to send them."""
        hours: int = await settings.get_value("delivery.give_up_after_hours")
        max_age_s = hours * 3_600 + clock_watch.watch.ahead_s()  # a clock that is ahead must expire none
        ids = [id_ for of_channel in pending.values() for id_ in of_channel]
        claims = dict[str, list[DeliveryClaim]]()
        max_age_ms = int(max_age_s * 1000)
        for claim in await delivery_claims.claim(ids, clock.now_ms(), max_age_ms, process=self._process):
            claims.setdefault(claim.channel.id, []).append(claim)
        for channel_id, of_channel in claims.items():
            self._lanes[channel_id].add_claims(of_channel)
            self._start_sends(channel_id, max_age_s)

    def _start_sends(self, channel_id: str, max_age_s: float) -> None:
        while claim := self._lanes[channel_id].next_claim():
            task = asyncio.create_task(self._send(claim, max_age_s), name=f"channel {channel_id}")
            self._sends.add(task)
            task.add_done_callback(self._sends.discard)

    async def _send(self, claim: DeliveryClaim, max_age_s: float) -> None:
        """Send one message, note the result of each delivery that it carries, and send the channel's next one."""
        channel_id, began, began_ms = claim.channel.id, perf_counter(), clock.now_ms()
        report = SendReport(claim.settled)
        failure = await self._attempt(claim, began_ms, report)
        took_s = perf_counter() - began
        is_first = claim.attempts == 1 and claim.age_from_ms == claim.created_ms  # it was not held
        if is_first and failure is None and took_s < QUICK_S:
            self._lag.note("notify", max(0, began_ms - claim.created_ms) / 1000)
        timing = AttemptTiming(began_ms, round(took_s * 1000))
        if report.config_changes:
            await _follow_provider(claim, report.config_changes)
        try:
            results = delivery_attempt.attempt_results(claim, failure, timing, max_age_s, report)
            _report(results, claim.channel.type)
            self._sent.setdefault(channel_id, []).extend(results)
        except Exception:  # a bug; the channel's next message must still be sent
            log.exception("delivery.result_crashed", delivery=claim.id)
        self._lanes[channel_id].note_sent(took_s, accepted=failure is None)
        self._start_sends(channel_id, max_age_s)
        self._wake.set()

    async def _attempt(self, claim: DeliveryClaim, now_ms: int, report: SendReport) -> DeliveryError | None:
        """Send the message of a claim; returns why that failed."""
        try:
            message = await self._message(claim, now_ms)
            config, proxy = claim.channel.config, claim.channel.proxy
            await send(config, message, self._context, timeout_s=self._timeout_s, report=report, proxy=proxy)
        except DeliveryError as error:
            return error
        except Exception as error:  # the other deliveries are still recorded
            log.exception("delivery.crashed", delivery=claim.id)
            return DeliveryError(f"a fault in Watchkeeper ({type(error).__name__}); its log has more")
        worker_metrics.NOTIFICATION_LATENCY.observe(max(0.0, time() - claim.created_ms / 1000))
        return None

    async def _message(self, claim: DeliveryClaim, now_ms: int) -> Message:
        """The message to send, rendered by the channel's templates if it has any."""
        parent = await _common_parent(claim) if claim.merged else ""
        message = delivery_attempt.build_message(claim, now_ms, self._base_url, parent, timezone=self._timezone)
        if claim.channel.rules.templates == Templates():
            return message
        # In a thread: the first use loads a library.
        return await asyncio.to_thread(delivery_attempt.apply_templates, claim, message)

    async def _record(self, sent: ByChannel[AttemptResult]) -> None:
        """Record results. Retries while the database is locked: what was sent must not be sent again."""
        results = [result for of_channel in sent.values() for result in of_channel]
        for attempt in range(1, RECORD_ATTEMPTS + 1):
            try:
                self._enqueue(await delivery_results.record_results(results, clock.now_ms()))
                break
            except db.TRANSIENT_ERRORS as error:
                log.warning("delivery.record_failed", n=len(results), attempt=attempt, error=type(error).__name__)
                if attempt == RECORD_ATTEMPTS:
                    raise
                await asyncio.sleep(0.5 * attempt)
        if tests := [one for one in results if one.is_test]:
            await _reply(tests)

    def _unsendable(self) -> ByChannel[DeliveryClaim]:
        """Remove the claims that are not sent any more."""
        unsent = {channel_id: lane.take_unsendable() for channel_id, lane in self._lanes.items()}
        return {channel_id: claims for channel_id, claims in unsent.items() if claims}

    async def _give_back(self, unsent: ByChannel[DeliveryClaim]) -> None:
        """Give up leases; the deliveries may be claimed again at once."""
        await delivery_claims.give_back([claim for claims in unsent.values() for claim in claims])
        self._enqueue({channel_id: [claim.id for claim in claims] for channel_id, claims in unsent.items()})

    async def close(self, timeout_s: float) -> None:
        """Wait up to `timeout_s` for what is being sent, and record it; the sweep finds the rest."""
        self._closing = True
        for lane in self._lanes.values():
            lane.stop()
        self._wake.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.drained()

    async def drained(self) -> None:
        """Wait until nothing waits and nothing is being sent."""
        if self._turns:
            await asyncio.wait([self._turns])


async def _isolated(work: Callable[[ByChannel[T]], Awaitable[None]], items: ByChannel[T]) -> None:
    """Do the work for all channels together; if that crashes, for one after the other: none must stop the others."""
    n = sum(map(len, items.values()))
    try:
        if items:
            await work(items)
    except db.TRANSIENT_ERRORS as error:
        log.warning("notify.db_retry", channels=len(items), n=n, error=type(error).__name__)
    except Exception:  # the leases expire, the sweep retries
        if len(items) == 1:
            log.exception("notify.crashed", channel=next(iter(items)), n=n)
        else:
            for channel_id, of_channel in items.items():
                await _isolated(work, {channel_id: of_channel})


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
    except Exception as error:  # noqa: BLE001  # whatever it is, the message was sent
        log.warning("notify.channel_update_failed", channel=claim.channel.id, error=type(error).__name__)
        return
    if is_changed:
        log.info("notify.channel_updated", channel=claim.channel.id, fields=sorted(changes))


def _report(results: Iterable[AttemptResult], channel_type: str) -> None:
    """Count and log the results of an attempt."""
    for result in results:
        state = result.state if result.state != "pending" else "failed"
        worker_metrics.NOTIFICATIONS.labels(state=state, type=channel_type).inc()
        log.info(
            "delivery.attempted", delivery=result.id, state=result.state, attempt=result.attempts, reason=result.error
        )


async def _reply(tests: Sequence[AttemptResult]) -> None:
    """Push the results of tests to the reply lists, where their requests wait for them."""
    try:
        async with queue.client().pipeline(transaction=False) as pipe:
            for result in tests:
                pipe.rpush(f"wk:reply:{result.id}", result.state)
                pipe.expire(f"wk:reply:{result.id}", REPLY_TTL_S)
            await pipe.execute()
    except RedisError as error:
        log.warning("notify.reply_failed", error=type(error).__name__)
