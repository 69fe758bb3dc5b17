"""Records the results of delivery attempts and updates the channel's circuit breaker, in one transaction.

Written as SQL: batch updates over JSON arrays, row locks, and literal states that partial indexes need. So is the read
of a channel for every message: as a Piccolo query it took 0.3 to 0.4 ms longer.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from app import db
from app.domain.alerting import circuit_breaker, reasons
from app.domain.alerting.circuit_breaker import AttemptOutcome, CircuitState
from app.domain.alerting.reasons import Reason
from app.store.alerting import channel_alarms, deleted_channels
from app.store.alerting.channel_rows import StoredChannel, circuit_state_of, lock_channels_of, stored_channel
from app.store.alerting.delivery_queue import SWEEP_LIMIT
from app.store.alerting.outbox import ids_by_channel
from app.store.tables.channels import ChannelRow
from schema.deliveries import ReasonCode, RecipientResult

CLAIM_LOOKAHEAD_MS = 1_000  # includes what was stored while this waited for its lock; a claim checks the time again

_json = msgspec.json.Encoder()


class AttemptResult(Struct, frozen=True):
    """The result of one attempt.

    state          sent, pending (again at `next_attempt_ms`) or dead
    at_ms          when it began
    outcome        what it means for the channel; None for tests and for digest members, whose digest counts
    retry_after_s  the pause that the channel asked for; 0 for none
    got_response   every attempt was accepted or rejected; False when one may have arrived without a response
    in_digest      it was sent in a digest; when that was rejected, it waits for the next digest
    is_test        a request waits for it
    is_trial       it tested a half open circuit
    reason_code    why it is dead, or why the recipients that were not reached are given up
    recipients     how this attempt went for each recipient
    settled        recipients that this attempt or an earlier one reached, or that refused it for good
    partly_sent    some recipients have it: it is `sent` once no other may still get it
    rejected       its message was rejected for its content, as far as is known
    """

    id: str
    attempts: int
    state: str
    error: str = ""
    next_attempt_ms: int = 0
    at_ms: int = 0
    took_ms: int = 0
    outcome: AttemptOutcome | None = None
    retry_after_s: float = 0.0
    got_response: bool = True
    in_digest: bool = False
    is_test: bool = False
    is_trial: bool = False
    reason_code: ReasonCode | None = None
    recipients: tuple[RecipientResult, ...] = ()
    settled: tuple[RecipientResult, ...] = ()
    partly_sent: bool = False
    rejected: bool = False


async def record_results(results: Sequence[AttemptResult], now_ms: int) -> dict[str, list[str]]:
    """Record the results of attempts; a result from a worker that lost its lease changes nothing.

    returns  what may go now, because an older delivery is finished, its channel works again, or other channels are
             alerted about a failing channel: channel id -> delivery ids
    """
    async with db.transaction():
        await lock_channels_of([one.id for one in results])
        updated = await _update_deliveries(results, now_ms)
        await _insert_attempts(results, updated)
        released = await _next_deliveries(list(updated.values()), now_ms)
        counted = [one for one in results if one.outcome and one.id in updated]
        for channel_id in sorted({row["channel_id"] for row in updated.values()}):
            of_channel = [one for one in counted if updated[one.id]["channel_id"] == channel_id]
            for other, ids in (await _update_channel(channel_id, of_channel, now_ms)).items():
                released.setdefault(other, []).extend(ids)
    return released


async def _update_deliveries(results: Sequence[AttemptResult], now_ms: int) -> dict[str, Any]:
    """Update the deliveries whose lease still holds; returns them by id. A rejected digest is split."""
    rows = [
        [
            one.id,
            one.attempts,
            one.state,
            one.error[:500],
            one.next_attempt_ms,
            one.in_digest and one.state == "pending" and one.got_response,  # nobody has the digest: split it
            not one.in_digest and one.state == "pending" and not one.got_response,  # may have arrived: keep it single
            one.reason_code or "",
            _json.encode(one.settled).decode(),
            one.rejected,
            one.partly_sent,
        ]
        for one in results
    ]
    done = await db.rows(
        "UPDATE deliveries SET state = each.value->>2, reason_code = each.value->>7, error = each.value->>3,"
        " next_attempt_ms = CAST(each.value->>4 AS BIGINT), lease_until_ms = 0,"
        " sent_ms = CASE WHEN each.value->>2 = 'sent' OR CAST(each.value->>10 AS BOOLEAN)"
        " THEN COALESCE(deliveries.sent_ms, CAST(?1 AS BIGINT)) END, recipients = each.value->>8,"
        " rejections = rejections + CASE WHEN CAST(each.value->>9 AS BOOLEAN) THEN 1 ELSE 0 END,"
        " digest_id = CASE WHEN CAST(each.value->>5 AS BOOLEAN) THEN NULL"
        " WHEN CAST(each.value->>6 AS BOOLEAN) THEN deliveries.id ELSE digest_id END,"
        " hold = CASE WHEN CAST(each.value->>5 AS BOOLEAN) THEN 'grouped' ELSE hold END"
        " FROM {each:2} WHERE deliveries.id = each.value->>0 AND deliveries.state = 'sending'"
        " AND deliveries.attempts = CAST(each.value->>1 AS INTEGER)"
        " RETURNING deliveries.id AS id, deliveries.channel_id AS channel_id, deliveries.monitor_id AS monitor_id",
        now_ms,
        _json.encode(rows).decode(),
    )
    return {row["id"]: row for row in done}


async def _insert_attempts(results: Sequence[AttemptResult], updated: dict[str, Any]) -> None:
    rows = [
        [
            *(one.id, one.attempts, one.at_ms, one.took_ms, one.state, one.error[:500]),
            _json.encode(one.recipients).decode(),
        ]
        for one in results
        if one.id in updated
    ]
    if rows:
        await db.rows(
            "INSERT INTO delivery_attempts (delivery_id, attempt, at_ms, took_ms, state, error, recipients)"
            " SELECT value->>0,"
            " CAST(value->>1 AS INTEGER), CAST(value->>2 AS BIGINT), CAST(value->>3 AS INTEGER), value->>4, value->>5,"
            " value->>6"
            " FROM {each:1} WHERE TRUE ON CONFLICT (delivery_id, attempt) DO NOTHING",
            _json.encode(rows).decode(),
        )


async def _next_deliveries(updated: Sequence[Any], now_ms: int) -> dict[str, list[str]]:
    """A waiting delivery of each (channel, monitor) that was just updated."""
    pairs = sorted({(row["channel_id"], row["monitor_id"]) for row in updated if row["monitor_id"]})
    if not pairs:
        return {}
    found = await db.rows(
        "SELECT min(d.id) AS id, d.channel_id FROM {each:2} JOIN deliveries d"
        " ON d.channel_id = each.value->>0 AND d.monitor_id = each.value->>1"
        " WHERE d.state IN ('pending', 'sending') AND d.state = 'pending' AND d.next_attempt_ms <= ?1"
        " GROUP BY d.channel_id, d.monitor_id",  # any of them: a claim reads all
        now_ms + CLAIM_LOOKAHEAD_MS,
        _json.encode(pairs).decode(),
    )
    return ids_by_channel(found)


async def _update_channel(channel_id: str, results: Sequence[AttemptResult], now_ms: int) -> dict[str, list[str]]:
    """Update a channel's circuit breaker. Returns what may go because of it."""
    found = await db.rows("SELECT * FROM channels WHERE id = ?1 AND NOT is_temporary", channel_id)
    if not found:  # a test's, or deleted: then it gets no retry
        await deleted_channels.suppress_pending(channel_id, now_ms)
    if not results or not found:
        return {}
    channel = stored_channel(found[0])
    before = circuit_state_of(channel)
    outcomes = [one.outcome for one in results if one.outcome]
    retry_after_s = max(one.retry_after_s for one in results)
    with_trial = any(one.is_trial for one in results)
    after = circuit_breaker.next_state(before, outcomes, retry_after_s, now_ms, with_trial=with_trial)
    works_again = channel.alerted_ms is not None and AttemptOutcome.ACCEPTED in outcomes
    recovered = await channel_alarms.close_working(channel, now_ms) if works_again else {}
    if after == before:
        return recovered
    reason = next((one.error for one in reversed(results) if one.error), "")
    await _save_circuit(channel, after, reason, now_ms)
    if after.disabled and not before.disabled:
        await _fail_pending(channel_id, reason)
    if circuit_breaker.should_alert(before, after):
        fails = "is disabled" if after.disabled else "fails again and again"
        return await channel_alarms.announce_failing(channel, f"The channel {channel.name} {fails}: {reason}", now_ms)
    if before.open_until_ms and not after.open_until_ms:
        return recovered | await _release_backlog(channel_id, now_ms)
    return recovered


async def _save_circuit(channel: StoredChannel, after: CircuitState, reason: str, now_ms: int) -> None:
    is_healthy = after == CircuitState()
    failing_since_ms = now_ms if channel.failing_since_ms is None else channel.failing_since_ms
    disabled_ms, disabled_reason = None, ""
    if after.disabled and channel.disabled_ms is None:
        disabled_ms, disabled_reason = now_ms, reason
    elif after.disabled:
        disabled_ms, disabled_reason = channel.disabled_ms, channel.disabled_reason
    await ChannelRow.update(
        {
            ChannelRow.temporary_failures: after.failures,
            ChannelRow.circuit_open_until_ms: after.open_until_ms,
            ChannelRow.permanent_failures: after.rejections,
            ChannelRow.rejected_messages: after.rejected,
            ChannelRow.last_error: "" if is_healthy else reason,
            ChannelRow.failing_since_ms: None if is_healthy else failing_since_ms,
            ChannelRow.disabled_ms: disabled_ms,
            ChannelRow.disabled_reason: disabled_reason,
        }
    ).where(ChannelRow.id == channel.id)


async def _release_backlog(channel_id: str, now_ms: int) -> dict[str, list[str]]:
    """The channel works again: make everything due that waits for a retry."""
    await db.rows(
        "UPDATE deliveries SET next_attempt_ms = ?2 WHERE channel_id = ?1 AND state IN ('pending', 'sending')"
        " AND state = 'pending' AND attempts > 0 AND hold <> 'held' AND next_attempt_ms > ?2",
        channel_id,
        now_ms,
    )
    found = await db.rows(
        "SELECT id, channel_id FROM deliveries WHERE channel_id = ?1 AND state IN ('pending', 'sending')"
        f" AND state = 'pending' AND next_attempt_ms <= ?2 ORDER BY at_ms LIMIT {SWEEP_LIMIT}",
        channel_id,
        now_ms,
    )
    return ids_by_channel(found)


async def _fail_pending(channel_id: str, reason: str) -> None:
    """Give up the pending deliveries of a disabled channel: dead, or sent when some recipients have it."""
    disabled = Reason(ReasonCode.CHANNEL_DISABLED, error=reason)
    await db.rows(
        "UPDATE deliveries SET state = CASE WHEN sent_ms IS NULL THEN 'dead' ELSE 'sent' END, reason_code = ?2,"
        " error = ?3, digest_id = NULL WHERE channel_id = ?1"
        " AND state IN ('pending', 'sending') AND state = 'pending'",
        channel_id,
        disabled.code.value,
        reasons.sentence(disabled),
    )
