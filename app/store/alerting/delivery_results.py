"""Settlements: how tries went, written down with the attempt and what it says of the channel, in one transaction."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct

from app import clock, db
from app.domain.alerting import circuit_breaker
from app.domain.alerting.circuit_breaker import AttemptOutcome, CircuitState
from app.store.alerting import outbox
from app.store.alerting.delivery_queue import SWEEP_LIMIT, ids_by_channel
from app.store.alerting.dispatch_plan import disabled_reason
from app.store.alerting.open_deliveries import circuit_state_of
from schema.events import Event, EventKind

CLAIM_LOOKAHEAD_MS = 1_000  # what was stored while this waited for its turn is free as well; a claim looks at the clock

_json = msgspec.json.Encoder()


class AttemptResult(Struct, frozen=True):
    """How a try went.

    state       sent, pending (again at next_at_ms) or dead
    at_ms       when it began
    answer      what it says of the channel; None: nothing, as the try of a rider, whose carrier says it, or a test's
    asked_s     the rest that the channel asked for; 0 when it asked for none
    answered    somebody said no to every try, or yes; else nobody knows whether it arrived
    grouped     it was told together with others; when it was refused, it waits to be told so again
    """

    id: str
    attempts: int
    state: str
    error: str = ""
    next_at_ms: int = 0
    at_ms: int = 0
    took_ms: int = 0
    outcome: AttemptOutcome | None = None
    retry_after_s: float = 0.0
    got_response: bool = True
    in_digest: bool = False


async def record_results(results: Sequence[AttemptResult], now_ms: int) -> dict[str, list[str]]:
    """Record how tries went; what a worker settles after losing its claim changes nothing.

    returns  what may go now, because its elder is done or its channel works again, or because a channel failed for
             good and others are told of it: channel id -> delivery ids
    """
    async with db.transaction():
        await _lock_channels(results)
        done = await _update_deliveries(results, now_ms)
        await _insert_attempts(results, done)
        freed = await _next_deliveries(list(done.values()), now_ms)
        for channel_id in sorted({row["channel_id"] for row in done.values()}):
            answers = [one for one in results if one.outcome and one.id in done]
            ours = [one for one in answers if done[one.id]["channel_id"] == channel_id]
            freed |= await _update_channel(channel_id, ours, now_ms)
    return freed


async def _lock_channels(results: Sequence[AttemptResult]) -> None:
    """On PostgreSQL: claims and settlements of a channel come one after the other."""
    if not db.is_sqlite():
        await db.rows(
            "SELECT id FROM channels WHERE id IN (SELECT d.channel_id FROM {each:1} JOIN deliveries d"
            " ON d.id = each.value->>0) ORDER BY id FOR NO KEY UPDATE",
            _json.encode([[one.id] for one in results]).decode(),
        )


async def _update_deliveries(results: Sequence[AttemptResult], now_ms: int) -> dict[str, Any]:
    """The deliveries that were still ours, by id. A message that was refused is taken apart; its parts go anew."""
    rows = [
        [
            one.id,
            one.attempts,
            one.state,
            one.error[:500],
            one.next_at_ms,
            one.in_digest and _can_be_split(one),
            _may_have_arrived(one),
        ]
        for one in results
    ]
    done = await db.rows(
        "UPDATE deliveries SET state = each.value->>2, error = each.value->>3,"
        " next_at_ms = CAST(each.value->>4 AS BIGINT), lease_ms = 0,"
        " sent_ms = CASE WHEN each.value->>2 = 'sent' THEN CAST(?1 AS BIGINT) END,"
        " carrier_id = CASE WHEN CAST(each.value->>5 AS BOOLEAN) THEN NULL"
        " WHEN CAST(each.value->>6 AS BOOLEAN) THEN deliveries.id ELSE carrier_id END,"
        " course = CASE WHEN CAST(each.value->>5 AS BOOLEAN) THEN 'grouped' ELSE course END"
        " FROM {each:2} WHERE deliveries.id = each.value->>0 AND deliveries.state = 'sending'"
        " AND deliveries.attempts = CAST(each.value->>1 AS INTEGER)"
        " RETURNING deliveries.id AS id, deliveries.channel_id AS channel_id, deliveries.monitor_id AS monitor_id",
        now_ms,
        _json.encode(rows).decode(),
    )
    return {row["id"]: row for row in done}


def _can_be_split(one: AttemptResult) -> bool:
    """Whether a message need not go again as it was: nobody has it."""
    return one.state == "pending" and one.got_response


def _may_have_arrived(one: AttemptResult) -> bool:
    """Whether a message of its own may have arrived: it carries itself until somebody answers."""
    return one.state == "pending" and not one.got_response and not one.in_digest


async def _insert_attempts(results: Sequence[AttemptResult], done: dict[str, Any]) -> None:
    rows = [
        [one.id, one.attempts, one.at_ms, one.took_ms, one.state, one.error[:500]] for one in results if one.id in done
    ]
    if rows:
        await db.rows(
            "INSERT INTO delivery_attempts (delivery_id, attempt, at_ms, took_ms, state, error) SELECT value->>0,"
            " CAST(value->>1 AS INTEGER), CAST(value->>2 AS BIGINT), CAST(value->>3 AS INTEGER), value->>4, value->>5"
            " FROM {each:1} WHERE TRUE ON CONFLICT (delivery_id, attempt) DO NOTHING",
            _json.encode(rows).decode(),
        )


async def _next_deliveries(done: Sequence[Any], now_ms: int) -> dict[str, list[str]]:
    """The oldest waiting delivery of each (channel, monitor) that just had one settled."""
    pairs = sorted({(row["channel_id"], row["monitor_id"]) for row in done if row["monitor_id"]})
    if not pairs:
        return {}
    found = await db.rows(
        "SELECT min(d.id) AS id, d.channel_id FROM {each:2} JOIN deliveries d"
        " ON d.channel_id = each.value->>0 AND d.monitor_id = each.value->>1"
        " WHERE d.state IN ('pending', 'sending') AND d.state = 'pending' AND d.next_at_ms <= ?1"
        " GROUP BY d.channel_id, d.monitor_id",  # any of them: a claim looks at all
        now_ms + CLAIM_LOOKAHEAD_MS,
        _json.encode(pairs).decode(),
    )
    return ids_by_channel(found)


async def _update_channel(channel_id: str, results: Sequence[AttemptResult], now_ms: int) -> dict[str, list[str]]:
    """What the answers mean for their channel. Returns what may go because of it."""
    found = await db.rows("SELECT * FROM channels WHERE id = ?1 AND version > 0", channel_id)
    if not results or not found:
        return {}
    before = circuit_state_of(found[0])
    after = circuit_breaker.next_state(
        before, [one.outcome for one in results if one.outcome], _longest_retry_after_s(results), now_ms
    )
    if after == before:
        return {}
    reason = next((one.error for one in reversed(results) if one.error), "")
    await _save_circuit(channel_id, after, (reason, now_ms))
    if after.disabled and not before.disabled:
        await _fail_pending(channel_id, reason)
    if circuit_breaker.should_alert(before, after):
        return await _announce_failing_channel(found[0], reason, now_ms, paused=after.disabled)
    return await _release_backlog(channel_id, now_ms) if before.open_until_ms and not after.open_until_ms else {}


def _longest_retry_after_s(results: Sequence[AttemptResult]) -> float:
    return max((one.retry_after_s for one in results), default=0.0)


async def _save_circuit(channel_id: str, after: CircuitState, why: tuple[str, int]) -> None:
    reason, now_ms = why
    is_well = after == CircuitState()
    await db.rows(
        "UPDATE channels SET failures = ?2, rests_until_ms = ?3, refusals = ?4, trouble = ?5,"
        " trouble_ms = CASE WHEN ?6 = 1 THEN NULL ELSE COALESCE(trouble_ms, CAST(?7 AS BIGINT)) END,"
        " paused_ms = CASE WHEN ?8 = 1 THEN COALESCE(paused_ms, CAST(?7 AS BIGINT)) END,"
        " paused_reason = CASE WHEN ?8 = 0 THEN '' WHEN paused_ms IS NULL THEN ?5 ELSE paused_reason END WHERE id = ?1",
        channel_id,
        after.failures,
        after.open_until_ms,
        after.rejections,
        "" if is_well else reason,
        int(is_well),
        now_ms,
        int(after.disabled),
    )


async def _release_backlog(channel_id: str, now_ms: int) -> dict[str, list[str]]:
    """The channel works again: nothing that was tried waits any longer."""
    await db.rows(
        "UPDATE deliveries SET next_at_ms = ?2 WHERE channel_id = ?1 AND state IN ('pending', 'sending')"
        " AND state = 'pending' AND attempts > 0 AND course <> 'gated' AND next_at_ms > ?2",
        channel_id,
        now_ms,
    )
    found = await db.rows(
        "SELECT id, channel_id FROM deliveries WHERE channel_id = ?1 AND state IN ('pending', 'sending')"
        f" AND state = 'pending' AND next_at_ms <= ?2 ORDER BY at_ms LIMIT {SWEEP_LIMIT}",
        channel_id,
        now_ms,
    )
    return ids_by_channel(found)


async def _fail_pending(channel_id: str, reason: str) -> None:
    """What waits for a paused channel is dead."""
    await db.rows(
        "UPDATE deliveries SET state = 'dead', error = ?2, carrier_id = NULL WHERE channel_id = ?1"
        " AND state IN ('pending', 'sending') AND state = 'pending'",
        channel_id,
        disabled_reason(reason),
    )


async def _announce_failing_channel(channel: Any, reason: str, now_ms: int, *, paused: bool) -> dict[str, list[str]]:
    """Others hear that a channel fails. Returns the deliveries that do it."""
    msg = f"The channel {channel['name']} {'is paused' if paused else 'fails again and again'}: {reason}"
    about = {"id": channel["id"], "name": channel["name"], "type": channel["type"]}
    event = Event(
        id=str(uuid4()),
        event=EventKind.CHANNEL_FAILING,
        at=clock.instant(now_ms),
        data={"what": "channel_failing", "channel": about, "msg": msg},
    )
    return await outbox.record_events([event], now_ms)
