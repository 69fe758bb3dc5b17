"""Claims: leases deliveries for sending, in one transaction with the decision about which may go now.

The channel's row is locked meanwhile, so two workers decide about one channel one after the other. A claim also reads
the other open deliveries of the same (channel, monitor), since a recovery replaces an outage that was not sent.
Written as SQL: batch updates over JSON arrays.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from app import db
from app.domain.alerting import reasons
from app.domain.alerting.collapsing import GROUPED, OpenDelivery
from app.domain.alerting.reasons import Reason
from app.store.alerting import channels, open_deliveries, suppression
from app.store.alerting.channels import ChannelWithSecrets
from app.store.alerting.dispatch_plan import LEASE_MS, DecideSuppression, DispatchPlan, plan_dispatch
from app.store.alerting.open_deliveries import ClaimChannel
from schema.deliveries import RecipientResult
from schema.events import Event

MAX_AGE_MS = 24 * 3_600_000  # default of the setting
MAX_DIGEST_SIZE = 2_000  # deliveries in one message

_json = msgspec.json.Encoder()
_IS_CLAIMABLE = "((state = 'pending' AND next_attempt_ms <= ?1) OR (state = 'sending' AND lease_until_ms <= ?1))"


class DeliveryClaim(Struct, frozen=True, kw_only=True):
    """The right to send one message, until the lease ends.

    age_from_ms    start of its age
    maybe_sent     an earlier attempt may have arrived
    merged         the digest's other deliveries, oldest first
    settled        recipients that earlier attempts reached, or that refused it for good
    rejections     how often a message that contained it was rejected for its content
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


async def claim(
    delivery_ids: Sequence[str],
    now_ms: int,
    decide_suppression: DecideSuppression = suppression.decisions_for,
    max_age_ms: int = MAX_AGE_MS,
) -> list[DeliveryClaim]:
    """Lease these deliveries and related ones; leaves those that are leased, finished, early or suppressed."""
    async with db.transaction():
        locked = await open_deliveries.lock_channels(delivery_ids)
        found = await open_deliveries.related_deliveries(delivery_ids, now_ms)
        claimed: list[DeliveryClaim] = []
        for channel in locked:
            deliveries = [one for one in found if one.channel_id == channel.id]
            if any(one.is_ready and one.hold == GROUPED for one in deliveries):
                waiting = await open_deliveries.waiting_for_digest(channel.id, now_ms, MAX_DIGEST_SIZE)
                delivery_ids = [*delivery_ids, *waiting]
                related = await open_deliveries.related_deliveries(delivery_ids, now_ms)
                deliveries = [one for one in related if one.channel_id == channel.id]
            plan = await plan_dispatch(channel, deliveries, now_ms, decide_suppression, max_age_ms)
            await _store_plan(plan)
            claimed += await _lease(channel, deliveries, plan, now_ms)
    return claimed


async def _store_plan(plan: DispatchPlan) -> None:
    """Store which deliveries wait and which are dropped."""
    waits = [[id_, until_ms, hold, *_columns_of(reason)] for id_, (until_ms, hold, reason) in plan.wait.items()]
    if waits:
        await db.rows(
            "UPDATE deliveries SET state = 'pending', lease_until_ms = 0, next_attempt_ms = CAST(each.value->>1"
            " AS BIGINT),"
            " hold = each.value->>2, reason_code = each.value->>3, error = each.value->>4,"
            " age_from_ms = CASE WHEN each.value->>2 = 'held' THEN CAST(each.value->>1 AS BIGINT) ELSE age_from_ms END"
            " FROM {each:1} WHERE deliveries.id = each.value->>0",
            _json.encode(waits).decode(),
        )
    drops = [[id_, state, *_columns_of(reason)] for id_, (state, reason) in plan.drop.items()]
    if drops:
        await db.rows(
            "UPDATE deliveries SET reason_code = each.value->>2, error = each.value->>3,"
            " state = CASE WHEN sent_ms IS NOT NULL THEN 'sent' ELSE each.value->>1 END,"  # some recipients have it
            " lease_until_ms = 0, digest_id = NULL FROM {each:1} WHERE deliveries.id = each.value->>0",
            _json.encode(drops).decode(),
        )


def _columns_of(reason: Reason | None) -> tuple[str, str]:
    """`reason_code` and `error`."""
    return ("", "") if reason is None else (reason.code, reasons.sentence(reason))


async def _lease(
    channel: ClaimChannel, deliveries: Sequence[OpenDelivery], plan: DispatchPlan, now_ms: int
) -> list[DeliveryClaim]:
    """Lease what the plan sends; one claim for each message, with its digest's members."""
    if not plan.send:
        return []
    rows = [[id_, digest_id if digest_id != id_ else None] for id_, digest_id in plan.send.items()]
    leased: Any = await db.rows(
        "UPDATE deliveries SET state = 'sending', attempts = attempts + 1, lease_until_ms = ?2, digest_id ="
        " each.value->>1,"
        " hold = CASE WHEN hold = 'resent' THEN hold ELSE '' END FROM {each:3}"
        f" WHERE deliveries.id = each.value->>0 AND {_IS_CLAIMABLE}"
        " RETURNING deliveries.id, attempts, recipients, rejections",
        now_ms,
        now_ms + LEASE_MS,
        _json.encode(rows).decode(),
    )
    leases = {row["id"]: row for row in leased}
    if not leases:
        return []
    with_secrets = channels.with_secrets(channel.stored)
    claims = [
        _claim_of(one, with_secrets, leases[one.id])
        for one in sorted(deliveries, key=lambda delivery: delivery.at_ms)
        if one.id in leases
    ]
    members: dict[str, list[DeliveryClaim]] = {}
    for one in claims:
        if (digest_id := plan.send[one.id]) != one.id:
            members.setdefault(digest_id, []).append(one)
    return [
        msgspec.structs.replace(one, merged=tuple(members.get(one.id, ())))
        for one in claims
        if plan.send[one.id] == one.id
    ]


def _claim_of(delivery: OpenDelivery, channel: ChannelWithSecrets, lease: Any) -> DeliveryClaim:
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
    )
