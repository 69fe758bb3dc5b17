"""What becomes of a channel's open deliveries: which go now and with whom, which wait, which need not go at all.

The order of the questions: is the channel paused or switched off, is the delivery too old, does the channel rest, may
it go by its gates, is it needless beside a newer one, is it behind an elder, is there room for a message of its own.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import Struct

from app.domain.alerting import backoff, circuit_breaker, collapsing
from app.domain.alerting.circuit_breaker import Passage
from app.domain.alerting.collapsing import GATED, GROUPED, RESENT, Open
from app.store.alerting import open_deliveries
from app.store.alerting.open_deliveries import Channel
from app.store.alerting.suppression import Candidate, Gate

LEASE_MS = 45_000  # longer than any send (20 s) and the settling after it; how long a killed worker's delivery rests
SWITCHED_OFF = "the channel is switched off"
WAITS = "waits for others, to be told together"


Gates = Callable[[Sequence[Candidate], int], Awaitable[Mapping[str, Gate]]]


class Decided(Struct):
    """What becomes of deliveries: id -> what.

    send    id -> its carrier's id, itself for one that goes alone
    wait    id -> (until, course, reason)
    drop    id -> (state, reason)
    """

    send: dict[str, str] = {}
    wait: dict[str, tuple[int, str, str]] = {}
    drop: dict[str, tuple[str, str]] = {}

    @property
    def settled(self) -> set[str]:
        """Those that hold nobody any more."""
        return {*self.wait, *self.drop}


async def decide(channel: Channel, found: Sequence[Open], now_ms: int, gates: Gates, give_up_ms: int) -> Decided:
    """What becomes of a channel's deliveries."""
    decided, free = Decided(), [one for one in found if one.is_free]
    decided.send = {one.id: one.id for one in free if one.event.is_test}  # somebody waits for the answer
    free = [one for one in free if one.id not in decided.send]
    _drop(channel, free, decided, (now_ms, give_up_ms))
    passage = circuit_breaker.passage(channel.breaker, now_ms)
    if passage is Passage.NONE:
        return decided
    free = [one for one in free if one.id not in decided.drop]
    await _pass_gates([one for one in free if one.course != RESENT], decided, now_ms, gates)
    _keep_whole([one for one in free if one.bound], decided)
    if channel.kind == "channel":  # a program keeps its own account, and wants every fact
        left = [one for one in found if one.id not in decided.drop]
        needless = collapsing.collapsed(left, decided.settled)
        decided.drop |= {id_: ("suppressed", reason) for id_, reason in needless.items()}
        decided.wait = {id_: wait for id_, wait in decided.wait.items() if id_ not in needless}
    await _choose(channel, [one for one in free if one.id not in decided.settled], found, decided, (passage, now_ms))
    for id_ in collapsing.overtaken(found, decided.send):
        decided.wait.pop(id_, None)
        decided.drop[id_] = ("suppressed", collapsing.OVERTAKEN)
    return decided


def _drop(channel: Channel, free: Sequence[Open], decided: Decided, age: tuple[int, int]) -> None:
    """Those that will not go, whatever else."""
    now_ms, give_up_ms = age
    for one in free:
        if channel.breaker.paused:
            decided.drop[one.id] = ("dead", paused_words(channel.paused_reason))
        elif not channel.active:
            decided.drop[one.id] = ("suppressed", SWITCHED_OFF)
        elif one.since_ms < now_ms - give_up_ms:
            decided.drop[one.id] = ("dead", backoff.given_up(give_up_ms / 1000, one.error))


def paused_words(reason: str) -> str:
    """Why a delivery to a paused channel is dead."""
    return f"the channel is paused: {reason}"


async def _pass_gates(free: Sequence[Open], decided: Decided, now_ms: int, gates: Gates) -> None:
    told = await gates([_candidate_of(one) for one in free], now_ms) if free else {}
    for id_, gate in told.items():
        if gate.action == "wait":
            decided.wait[id_] = (gate.until_ms, GATED, gate.reason)
        elif gate.action == "suppress":
            decided.drop[id_] = ("suppressed", gate.reason)


def _keep_whole(bound: Sequence[Open], decided: Decided) -> None:
    """What one message tells waits together: until the last of it may go."""
    crews: dict[str, list[str]] = {}
    for one in bound:
        crews.setdefault(one.carrier_id or one.id, []).append(one.id)
    for ids in crews.values():
        if waits := [decided.wait[id_] for id_ in ids if id_ in decided.wait]:
            decided.wait |= dict.fromkeys(ids, max(waits))


def _candidate_of(one: Open) -> Candidate:
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


async def _choose(
    channel: Channel, free: Sequence[Open], found: Sequence[Open], decided: Decided, when: tuple[Passage, int]
) -> None:
    """Of those that may go: which go, and with whom."""
    passage, now_ms = when
    is_digest = any(one.course == GROUPED for one in free) and passage is Passage.ALL
    usual = [one for one in free if not one.bound]
    ready = collapsing.in_order(usual, found, decided.settled, together=is_digest)
    bound = {one.id: one.carrier_id or one.id for one in free if one.bound}
    if passage is Passage.ONE:
        if probe := _probe(ready, bound):
            decided.send |= probe
            await open_deliveries.rest(channel.id, now_ms + LEASE_MS)  # until its answer is here, nothing else goes
        return
    alone = [one for one in ready if one.course == RESENT]
    decided.send |= bound | {one.id: one.id for one in alone}
    await _group(channel, [one for one in ready if one.course != RESENT], decided, now_ms, is_digest=is_digest)


def _probe(ready: Sequence[Open], bound: Mapping[str, str]) -> dict[str, str]:
    """One message tries whether the channel works again."""
    if ready:
        return {ready[0].id: ready[0].id}
    first = next(iter(bound.values()), None)
    return {id_: carrier for id_, carrier in bound.items() if carrier == first}


async def _group(channel: Channel, ready: Sequence[Open], decided: Decided, now_ms: int, *, is_digest: bool) -> None:
    decided.send |= {one.id: one.id for one in ready if one.unsure}
    ready = [one for one in ready if not one.unsure]
    if channel.grouping is None or not ready:
        decided.send |= {one.id: one.id for one in ready}
    elif is_digest:
        decided.send |= {one.id: ready[-1].id for one in ready}
    else:
        room = await open_deliveries.room_of(channel.id, channel.grouping, now_ms)
        decided.send |= {one.id: one.id for one in ready[: room.free]}
        waits = (room.until_ms, GROUPED, WAITS)
        decided.wait |= {one.id: waits for one in ready[room.free :]}
