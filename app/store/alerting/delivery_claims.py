"""Claims: leases deliveries for sending, in one transaction with the decision about which may go now.

The channels' rows are locked meanwhile, so two workers decide about one channel one after the other. A claim also reads
the other open deliveries of the same (channel, monitor), since a recovery replaces an outage that was not sent.
Written as SQL: batch updates over JSON arrays.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from app import db
from app.domain.alerting import delivery_rules, reasons
from app.domain.alerting.circuit_breaker import Circuit
from app.domain.alerting.delivery_facts import Action, Decision, DispatchFacts, OpenDelivery
from app.domain.alerting.reasons import Reason
from app.store.alerting import channels, claim_facts
from app.store.alerting.channel_rows import lock_channels_of
from app.store.alerting.channels import ChannelWithSecrets
from app.store.alerting.claim_facts import LockedChannel
from app.store.tables.channels import ChannelRow
from schema.deliveries import RecipientResult
from schema.events import Event

LEASE_MS = 45_000  # longer than any send (20 s) and recording its result; `lease_owners` may end it before
MAX_AGE_MS = 24 * 3_600_000  # default of the setting

_json = msgspec.json.Encoder()
_IS_CLAIMABLE = "((state = 'pending' AND next_attempt_ms <= ?1) OR (state = 'sending' AND lease_until_ms <= ?1))"
_WAIT = (
    "UPDATE deliveries SET state = 'pending', lease_until_ms = 0,"
    " next_attempt_ms = CAST(each.value->>1 AS BIGINT), hold = each.value->>2, reason_code = each.value->>3,"
    " error = each.value->>4,"
    " age_from_ms = CASE WHEN each.value->>2 = 'held' THEN CAST(each.value->>1 AS BIGINT) ELSE age_from_ms END"
    " FROM {each:1} WHERE deliveries.id = each.value->>0"
)
_DROP = (
    "UPDATE deliveries SET reason_code = each.value->>2, error = each.value->>3,"
    " state = CASE WHEN sent_ms IS NOT NULL THEN 'sent' ELSE each.value->>1 END,"  # some recipients have it
    " lease_until_ms = 0, digest_id = NULL FROM {each:1} WHERE deliveries.id = each.value->>0"
)
_LEASE = (
    "UPDATE deliveries SET state = 'sending', attempts = attempts + 1, lease_until_ms = ?2,"
    " lease_owner = CAST(?4 AS TEXT) || '/' || (attempts + 1), digest_id = each.value->>1,"
    " hold = CASE WHEN hold = 'resent' THEN hold ELSE '' END FROM {each:3}"
    f" WHERE deliveries.id = each.value->>0 AND {_IS_CLAIMABLE}"
    " RETURNING deliveries.id, attempts, recipients, rejections"
)
# A message that may have arrived keeps its own id as its digest, so that it is sent again by itself.
_GIVE_BACK = (
    "UPDATE deliveries SET state = 'pending', attempts = attempts - 1, lease_until_ms = 0, lease_owner = '',"
    " digest_id = CASE WHEN CAST(each.value->>2 AS BOOLEAN) THEN deliveries.id ELSE digest_id END FROM {each:1}"
    " WHERE deliveries.id = each.value->>0 AND state = 'sending' AND attempts = CAST(each.value->>1 AS INTEGER)"
)


class DeliveryClaim(Struct, frozen=True, kw_only=True):
    """The right to send one message, until the lease ends.

    age_from_ms    start of its age
    maybe_sent     an earlier attempt may have arrived
    merged         the digest's other deliveries, oldest first
    settled        recipients that earlier attempts reached, or that refused it for good
    rejections     how often a message that contained it was rejected for its content
    is_trial       it tests the channel's half open circuit
    """

    id: str
    channel: ChannelWithSecrets
    event: Event
    attempts: int
    created_ms: int
    age_from_ms: int
    maybe_sent: bool = False
    merged: tuple["DeliveryClaim", ...] = ()
    settled: tuple[RecipientResult, ...] = ()
    rejections: int = 0
    is_trial: bool = False


async def claim(
    delivery_ids: Sequence[str], now_ms: int, max_age_ms: int = MAX_AGE_MS, *, process: str = ""
) -> list[DeliveryClaim]:
    """Lease these deliveries and related ones, of any channels; leaves what the rules hold, suppress or leave.

    process  the identity of the process that gets the leases; empty: they last until their time
    """
    async with db.transaction():
        locked = await claim_facts.lock_channels(delivery_ids, now_ms, max_age_ms)
        plans = [(channel, delivery_rules.plan(channel.facts)) for channel in locked]
        decisions = {id_: decision for _, plan in plans for id_, decision in plan.items()}
        await _store_undelivered(decisions)
        await _open_circuits(plans, now_ms + LEASE_MS)
        leases = await _lease(decisions, now_ms, process)
    leased = [one for one, _ in plans if any(delivery.id in leases for delivery in one.facts.deliveries)]
    with_secrets = await channels.with_secrets(one.stored for one in leased)
    return [
        one
        for channel, plan in plans
        if channel.stored.id in with_secrets
        for one in _claims_of(channel.facts, plan, leases, with_secrets[channel.stored.id])
    ]


async def give_back(claims: Sequence[DeliveryClaim]) -> None:
    """End the leases of claims that were not sent: others may claim the deliveries at once. It counts no attempt."""
    rows: list[Any] = [
        [one.id, one.attempts, one.maybe_sent and not claim.merged and one is claim]
        for claim in claims
        for one in (claim, *claim.merged)
    ]
    async with db.transaction():
        await lock_channels_of([row[0] for row in rows])
        await db.rows(_GIVE_BACK, _json.encode(rows).decode())


async def _store_undelivered(decisions: Mapping[str, Decision]) -> None:
    """Store which deliveries wait, and which are suppressed or dead."""
    waits = [
        [id_, one.until_ms, one.hold, *_columns_of(one.reason)]
        for id_, one in decisions.items()
        if one.action is Action.WAIT
    ]
    if waits:
        await db.rows(_WAIT, _json.encode(waits).decode())
    states = {Action.SUPPRESS: "suppressed", Action.FAIL: "dead"}
    drops = [
        [id_, states[one.action], *_columns_of(one.reason)] for id_, one in decisions.items() if one.action in states
    ]
    if drops:
        await db.rows(_DROP, _json.encode(drops).decode())


def _columns_of(reason: Reason | None) -> tuple[str, str]:
    """`reason_code` and `error`."""
    return ("", "") if reason is None else (reason.code, reasons.sentence(reason))


async def _open_circuits(plans: Sequence[tuple[LockedChannel, Mapping[str, Decision]]], until_ms: int) -> None:
    """Send nothing more to channels on trial, before the trial's result."""
    on_trial = [
        channel.stored.id
        for channel, plan in plans
        if channel.facts.circuit is Circuit.HALF_OPEN
        and any(
            plan[one.id].action is Action.SEND
            for one in channel.facts.deliveries
            if one.id in plan and not one.event.is_test
        )
    ]
    if on_trial:
        await ChannelRow.update({ChannelRow.circuit_open_until_ms: until_ms}).where(ChannelRow.id.is_in(on_trial))


async def _lease(decisions: Mapping[str, Decision], now_ms: int, process: str) -> dict[str, Any]:
    """Lease what is sent. Returns what is stored of each delivery's attempts, by id; the new one is counted."""
    carriers = {id_: one.carrier_id or id_ for id_, one in decisions.items() if one.action is Action.SEND}
    rows = [[id_, None if carrier_id == id_ else carrier_id] for id_, carrier_id in carriers.items()]
    if not rows:
        return {}
    leased: Any = await db.rows(_LEASE, now_ms, now_ms + LEASE_MS, _json.encode(rows).decode(), process)
    return {row["id"]: row for row in leased}


def _claims_of(
    facts: DispatchFacts, plan: Mapping[str, Decision], leases: Mapping[str, Any], channel: ChannelWithSecrets
) -> list[DeliveryClaim]:
    """One claim for each message of a channel, with its digest's members."""
    members: dict[str, list[DeliveryClaim]] = {}
    is_trial = facts.circuit is Circuit.HALF_OPEN
    for one in facts.deliveries:
        if one.id in leases:
            carrier_id = plan[one.id].carrier_id or one.id
            members.setdefault(carrier_id, []).append(_claim_of(one, channel, leases[one.id], is_trial=is_trial))
    return [
        msgspec.structs.replace(one, merged=tuple(other for other in group if other is not one))
        for carrier_id, group in members.items()
        for one in group
        if one.id == carrier_id
    ]


def _claim_of(delivery: OpenDelivery, channel: ChannelWithSecrets, lease: Any, *, is_trial: bool) -> DeliveryClaim:
    return DeliveryClaim(
        id=delivery.id,
        channel=channel,
        event=delivery.event,
        attempts=lease["attempts"],
        created_ms=delivery.created_ms,
        age_from_ms=delivery.age_from_ms,
        maybe_sent=delivery.in_sent_digest or delivery.maybe_sent,
        settled=tuple(msgspec.json.decode(lease["recipients"], type=list[RecipientResult])),
        rejections=lease["rejections"],
        is_trial=is_trial,
    )
