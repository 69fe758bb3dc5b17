"""What becomes of a channel's open deliveries: which go now and with whom, which wait, which need not go at all.

The order of the questions: is the channel paused or switched off, is the delivery too old, does the channel rest, may
it go by its gates, is it needless beside a newer one, is it behind an elder, is there room for a message of its own.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import Struct

from app.domain.alerting import backoff, circuit_breaker, collapsing
from app.domain.alerting.circuit_breaker import Circuit
from app.domain.alerting.collapsing import GROUPED, HELD, RESENT, OpenDelivery
from app.store.alerting import open_deliveries
from app.store.alerting.open_deliveries import ClaimChannel
from app.store.alerting.suppression import Candidate, Decision

LEASE_MS = 45_000  # longer than any send (20 s) and the settling after it; how long a killed worker's delivery rests
CHANNEL_INACTIVE = "the channel is switched off"
WAITING_FOR_DIGEST = "waits for others, to be told together"


DecideSuppression = Callable[[Sequence[Candidate], int], Awaitable[Mapping[str, Decision]]]


class DispatchPlan(Struct):
    """What becomes of deliveries: id -> what.

    send    id -> its carrier's id, itself for one that goes alone
    wait    id -> (until, course, reason)
    drop    id -> (state, reason)
    """

    send: dict[str, str] = {}
    wait: dict[str, tuple[int, str, str]] = {}
    drop: dict[str, tuple[str, str]] = {}

    @property
    def not_sent(self) -> set[str]:
        """Those that hold nobody any more."""
        return {*self.wait, *self.drop}


async def plan_dispatch(
    channel: ClaimChannel,
    deliveries: Sequence[OpenDelivery],
    now_ms: int,
    decide_suppression: DecideSuppression,
    max_age_ms: int,
) -> DispatchPlan:
    """What becomes of a channel's deliveries."""
    decided, free = DispatchPlan(), [one for one in deliveries if one.is_ready]
    decided.send = {one.id: one.id for one in free if one.event.is_test}  # somebody waits for the answer
    free = [one for one in free if one.id not in decided.send]
    _drop_undeliverable(channel, free, decided, (now_ms, max_age_ms))
    passage = circuit_breaker.circuit_at(channel.circuit, now_ms)
    if passage is Circuit.OPEN:
        return decided
    free = [one for one in free if one.id not in decided.drop]
    await _apply_suppression([one for one in free if one.hold != RESENT], decided, now_ms, decide_suppression)
    _hold_digests_together([one for one in free if one.in_sent_digest], decided)
    if channel.kind == "channel":  # a program keeps its own account, and wants every fact
        left = [one for one in deliveries if one.id not in decided.drop]
        needless = collapsing.collapse_outages(left, decided.not_sent)
        decided.drop |= {id_: ("suppressed", reason) for id_, reason in needless.items()}
        decided.wait = {id_: wait for id_, wait in decided.wait.items() if id_ not in needless}
    await _select(
        channel, [one for one in free if one.id not in decided.not_sent], deliveries, decided, (passage, now_ms)
    )
    for id_ in collapsing.superseded_recoveries(deliveries, decided.send):
        decided.wait.pop(id_, None)
        decided.drop[id_] = ("suppressed", collapsing.SUPERSEDED)
    return decided


def _drop_undeliverable(
    channel: ClaimChannel, free: Sequence[OpenDelivery], decided: DispatchPlan, age: tuple[int, int]
) -> None:
    """Those that will not go, whatever else."""
    now_ms, give_up_ms = age
    for one in free:
        if channel.circuit.disabled:
            decided.drop[one.id] = ("dead", disabled_reason(channel.paused_reason))
        elif not channel.active:
            decided.drop[one.id] = ("suppressed", CHANNEL_INACTIVE)
        elif one.age_from_ms < now_ms - give_up_ms:
            decided.drop[one.id] = ("dead", backoff.exhausted_reason(give_up_ms / 1000, one.error))


def disabled_reason(reason: str) -> str:
    """Why a delivery to a paused channel is dead."""
    return f"the channel is paused: {reason}"


async def _apply_suppression(
    free: Sequence[OpenDelivery], decided: DispatchPlan, now_ms: int, gates: DecideSuppression
) -> None:
    told = await gates([_candidate_of(one) for one in free], now_ms) if free else {}
    for id_, gate in told.items():
        if gate.action == "wait":
            decided.wait[id_] = (gate.until_ms, HELD, gate.reason)
        elif gate.action == "suppress":
            decided.drop[id_] = ("suppressed", gate.reason)


def _hold_digests_together(bound: Sequence[OpenDelivery], decided: DispatchPlan) -> None:
    """What one message tells waits together: until the last of it may go."""
    crews: dict[str, list[str]] = {}
    for one in bound:
        crews.setdefault(one.digest_id or one.id, []).append(one.id)
    for ids in crews.values():
        if waits := [decided.wait[id_] for id_ in ids if id_ in decided.wait]:
            decided.wait |= dict.fromkeys(ids, max(waits))


def _candidate_of(one: OpenDelivery) -> Candidate:
    return Candidate(
        id=one.id,
        event_id=one.event.id,
        channel_id=one.channel_id,
        monitor_id=one.monitor_id,
        kind=one.kind,
        at_ms=one.at_ms,
        created_ms=one.created_ms,
        attempts=one.attempts,
    )


async def _select(
    channel: ClaimChannel,
    free: Sequence[OpenDelivery],
    found: Sequence[OpenDelivery],
    decided: DispatchPlan,
    when: tuple[Circuit, int],
) -> None:
    """Of those that may go: which go, and with whom."""
    passage, now_ms = when
    is_digest = any(one.hold == GROUPED for one in free) and passage is Circuit.CLOSED
    usual = [one for one in free if not one.in_sent_digest]
    ready = collapsing.select_in_order(usual, found, decided.not_sent, is_digest=is_digest)
    bound = {one.id: one.digest_id or one.id for one in free if one.in_sent_digest}
    if passage is Circuit.HALF_OPEN:
        if probe := _trial_message(ready, bound):
            decided.send |= probe
            await open_deliveries.open_circuit(
                channel.id, now_ms + LEASE_MS
            )  # until its answer is here, nothing else goes
        return
    alone = [one for one in ready if one.hold == RESENT]
    decided.send |= bound | {one.id: one.id for one in alone}
    await _apply_grouping(channel, [one for one in ready if one.hold != RESENT], decided, now_ms, is_digest=is_digest)


def _trial_message(ready: Sequence[OpenDelivery], bound: Mapping[str, str]) -> dict[str, str]:
    """One message tries whether the channel works again."""
    if ready:
        return {ready[0].id: ready[0].id}
    first = next(iter(bound.values()), None)
    return {id_: carrier for id_, carrier in bound.items() if carrier == first}


async def _apply_grouping(
    channel: ClaimChannel, ready: Sequence[OpenDelivery], decided: DispatchPlan, now_ms: int, *, is_digest: bool
) -> None:
    decided.send |= {one.id: one.id for one in ready if one.maybe_sent}
    ready = [one for one in ready if not one.maybe_sent]
    if channel.grouping is None or not ready:
        decided.send |= {one.id: one.id for one in ready}
    elif is_digest:
        decided.send |= {one.id: ready[-1].id for one in ready}
    else:
        room = await open_deliveries.burst_capacity(channel.id, channel.grouping, now_ms)
        decided.send |= {one.id: one.id for one in ready[: room.free]}
        waits = (room.until_ms, GROUPED, WAITING_FOR_DIGEST)
        decided.wait |= {one.id: waits for one in ready[room.free :]}
