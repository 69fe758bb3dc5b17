"""Decides about a channel's open deliveries: send now, alone or in a digest; wait; or drop.

Checked in this order: test deliveries go at once; drop when the channel is disabled or inactive, or when the delivery
is too old; wait while the circuit is open; suppress or hold; collapse an outage into its recovery; send in order per
monitor; group when the burst limit is reached.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from operator import itemgetter

from msgspec import Struct

from app.domain.alerting import circuit_breaker, collapsing
from app.domain.alerting.circuit_breaker import Circuit
from app.domain.alerting.collapsing import GROUPED, HELD, RESENT, OpenDelivery
from app.domain.alerting.reasons import Reason
from app.store.alerting import open_deliveries
from app.store.alerting.open_deliveries import ClaimChannel
from app.store.alerting.suppression import Candidate, Decision
from schema.deliveries import ReasonCode

LEASE_MS = 45_000  # longer than any send (20 s) and recording its result; a killed worker's delivery waits this long

DecideSuppression = Callable[[Sequence[Candidate], int], Awaitable[Mapping[str, Decision]]]


class DispatchPlan(Struct):
    """What to do with deliveries, by id.

    send    id -> id of the delivery whose message carries it: a digest's, or its own
    wait    id -> (until, hold, reason)
    drop    id -> (state, reason)
    """

    send: dict[str, str] = {}
    wait: dict[str, tuple[int, str, Reason | None]] = {}
    drop: dict[str, tuple[str, Reason | None]] = {}

    @property
    def not_sent(self) -> set[str]:
        """Ids of those that wait or are dropped: later deliveries of their monitors need not wait for them."""
        return {*self.wait, *self.drop}


async def plan_dispatch(
    channel: ClaimChannel,
    deliveries: Sequence[OpenDelivery],
    now_ms: int,
    decide_suppression: DecideSuppression,
    max_age_ms: int,
) -> DispatchPlan:
    """What to do with a channel's open deliveries."""
    plan, ready = DispatchPlan(), [one for one in deliveries if one.is_ready]
    plan.send = {one.id: one.id for one in ready if one.event.is_test}  # a test's result is awaited
    ready = [one for one in ready if one.id not in plan.send]
    _drop_undeliverable(channel, ready, plan, now_ms, max_age_ms)
    circuit = circuit_breaker.circuit_at(channel.circuit, now_ms)
    if circuit is Circuit.OPEN:
        return plan
    ready = [one for one in ready if one.id not in plan.drop]
    await _apply_suppression([one for one in ready if one.hold != RESENT], plan, now_ms, decide_suppression)
    _hold_digests_together([one for one in ready if one.in_sent_digest], plan)
    if channel.kind == "channel":  # webhooks receive every event
        remaining = [one for one in deliveries if one.id not in plan.drop]
        collapsed = collapsing.collapse_outages(remaining, plan.not_sent)
        plan.drop |= {id_: ("suppressed", Reason(code)) for id_, code in collapsed.items()}
        plan.wait = {id_: wait for id_, wait in plan.wait.items() if id_ not in collapsed}
    ready = [one for one in ready if one.id not in plan.not_sent]
    await _select(channel, ready, deliveries, plan, (circuit, now_ms))
    for id_ in collapsing.superseded_recoveries(deliveries, plan.send):
        plan.wait.pop(id_, None)
        plan.send.pop(id_, None)
        plan.drop[id_] = ("suppressed", Reason(ReasonCode.SUPERSEDED))
    return plan


def _drop_undeliverable(
    channel: ClaimChannel, ready: Sequence[OpenDelivery], plan: DispatchPlan, now_ms: int, max_age_ms: int
) -> None:
    for one in ready:
        if channel.circuit.disabled:
            plan.drop[one.id] = ("dead", Reason(ReasonCode.CHANNEL_DISABLED, error=channel.disabled_reason))
        elif not channel.active:
            plan.drop[one.id] = ("suppressed", Reason(ReasonCode.CHANNEL_INACTIVE))
        elif one.age_from_ms < now_ms - max_age_ms:
            reason = Reason(ReasonCode.EXPIRED, error=one.error, give_up_after_s=max_age_ms / 1000)
            plan.drop[one.id] = ("dead", reason)


async def _apply_suppression(
    ready: Sequence[OpenDelivery], plan: DispatchPlan, now_ms: int, decide_suppression: DecideSuppression
) -> None:
    candidates = [
        Candidate(
            id=one.id,
            event_id=one.event.id,
            channel_id=one.channel_id,
            monitor_id=one.monitor_id,
            kind=one.kind,
            at_ms=one.at_ms,
            created_ms=one.created_ms,
            attempts=one.attempts,
        )
        for one in ready
    ]
    decisions = await decide_suppression(candidates, now_ms) if candidates else {}
    for id_, decision in decisions.items():
        if decision.action == "wait":
            plan.wait[id_] = (decision.until_ms, HELD, decision.reason)
        elif decision.action == "suppress":
            plan.drop[id_] = ("suppressed", decision.reason)


def _hold_digests_together(digest_members: Sequence[OpenDelivery], plan: DispatchPlan) -> None:
    """Members of a digest wait together, until the last of them may go."""
    digests: dict[str, list[str]] = {}
    for one in digest_members:
        digests.setdefault(one.digest_id or one.id, []).append(one.id)
    for ids in digests.values():
        if waits := [plan.wait[id_] for id_ in ids if id_ in plan.wait]:
            plan.wait |= dict.fromkeys(ids, max(waits, key=itemgetter(0)))


async def _select(
    channel: ClaimChannel,
    ready: Sequence[OpenDelivery],
    deliveries: Sequence[OpenDelivery],
    plan: DispatchPlan,
    when: tuple[Circuit, int],
) -> None:
    """Choose the deliveries that go now, and the messages that carry them."""
    circuit, now_ms = when
    is_digest = any(one.hold == GROUPED for one in ready) and circuit is Circuit.CLOSED
    in_order = collapsing.select_in_order(
        [one for one in ready if not one.in_sent_digest], deliveries, plan.not_sent, is_digest=is_digest
    )
    sent_before = {one.id: one.digest_id or one.id for one in ready if one.in_sent_digest}
    if circuit is Circuit.HALF_OPEN:
        if trial := _trial_message(in_order, sent_before):
            plan.send |= trial
            # nothing else goes before its result
            await open_deliveries.open_circuit(channel.id, now_ms + LEASE_MS)
        return
    plan.send |= sent_before | {one.id: one.id for one in in_order if one.hold == RESENT}
    await _apply_grouping(channel, [one for one in in_order if one.hold != RESENT], plan, now_ms, is_digest=is_digest)


def _trial_message(in_order: Sequence[OpenDelivery], sent_before: Mapping[str, str]) -> dict[str, str]:
    """The one message that tests whether the channel works again."""
    if in_order:
        return {in_order[0].id: in_order[0].id}
    first = next(iter(sent_before.values()), None)
    return {id_: digest_id for id_, digest_id in sent_before.items() if digest_id == first}


async def _apply_grouping(
    channel: ClaimChannel, in_order: Sequence[OpenDelivery], plan: DispatchPlan, now_ms: int, *, is_digest: bool
) -> None:
    plan.send |= {one.id: one.id for one in in_order if one.maybe_sent}
    fresh = [one for one in in_order if not one.maybe_sent]
    if channel.grouping is None or not fresh:
        plan.send |= {one.id: one.id for one in fresh}
    elif is_digest:
        plan.send |= {one.id: fresh[-1].id for one in fresh}
    else:
        capacity = await open_deliveries.burst_capacity(channel.id, channel.grouping, now_ms)
        plan.send |= {one.id: one.id for one in fresh[: capacity.free]}
        waits = (capacity.until_ms, GROUPED, Reason(ReasonCode.DIGEST))
        plan.wait |= {one.id: waits for one in fresh[capacity.free :]}
