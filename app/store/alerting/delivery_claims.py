"""Claims: the right to send deliveries, taken in one transaction, after asking what may go now.

A channel's row is locked meanwhile, so two workers decide about one channel one after the other. A claim looks at the
whole family of what it is asked for (same channel, same monitor): a recovery makes an untold outage needless.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from app import db
from app.domain.alerting.collapsing import GROUPED, OpenDelivery
from app.store.alerting import channels, open_deliveries, suppression
from app.store.alerting.channels import ChannelWithSecrets
from app.store.alerting.dispatch_plan import LEASE_MS, DecideSuppression, DispatchPlan, plan_dispatch
from app.store.alerting.open_deliveries import ClaimChannel
from schema.events import Event

MAX_AGE_MS = 24 * 3_600_000  # unless the setting says otherwise
MAX_DIGEST_SIZE = 2_000  # deliveries in one message

_json = msgspec.json.Encoder()
_IS_CLAIMABLE = "((state = 'pending' AND next_at_ms <= ?1) OR (state = 'sending' AND lease_ms <= ?1))"


class DeliveryClaim(Struct, frozen=True, kw_only=True):
    """The right to send one message, until the lease ends.

    since_ms    from when its age counts
    again       it may have arrived before
    others      what the same message tells as well, oldest first
    """

    id: str
    channel: ChannelWithSecrets
    event: Event
    attempts: int
    created_ms: int
    age_from_ms: int
    maybe_sent: bool = False
    merged: tuple["DeliveryClaim", ...] = ()


async def claim(
    delivery_ids: Sequence[str],
    now_ms: int,
    decide_suppression: DecideSuppression = suppression.decisions_for,
    max_age_ms: int = MAX_AGE_MS,
) -> list[DeliveryClaim]:
    """Take the right to send these and their families, but for what is somebody else's, done, too early or needless."""
    async with db.transaction():
        locked = await open_deliveries.lock_channels(delivery_ids)
        found = await open_deliveries.related_deliveries(delivery_ids, now_ms)
        won: list[DeliveryClaim] = []
        for channel in locked:
            ours = [one for one in found if one.channel_id == channel.id]
            if any(one.is_ready and one.hold == GROUPED for one in ours):
                delivery_ids = [
                    *delivery_ids,
                    *await open_deliveries.waiting_for_digest(channel.id, now_ms, MAX_DIGEST_SIZE),
                ]
                ours = [
                    one
                    for one in await open_deliveries.related_deliveries(delivery_ids, now_ms)
                    if one.channel_id == channel.id
                ]
            decided = await plan_dispatch(channel, ours, now_ms, decide_suppression, max_age_ms)
            await _store_plan(decided)
            won += await _lease(channel, ours, decided, now_ms)
    return won


async def _store_plan(decided: DispatchPlan) -> None:
    """Write down who waits and who does not go."""
    waits = [[id_, *wait] for id_, wait in decided.wait.items()]
    if waits:
        await db.rows(
            "UPDATE deliveries SET state = 'pending', lease_ms = 0, next_at_ms = CAST(each.value->>1 AS BIGINT),"
            " course = each.value->>2, error = each.value->>3, since_ms = CASE WHEN each.value->>2 = 'gated'"
            " THEN CAST(each.value->>1 AS BIGINT) ELSE since_ms END FROM {each:1} WHERE deliveries.id = each.value->>0",
            _json.encode(waits).decode(),
        )
    drops = [[id_, *drop] for id_, drop in decided.drop.items()]
    if drops:
        await db.rows(
            "UPDATE deliveries SET state = each.value->>1, error = each.value->>2, lease_ms = 0, carrier_id = NULL"
            " FROM {each:1} WHERE deliveries.id = each.value->>0",
            _json.encode(drops).decode(),
        )


async def _lease(
    channel: ClaimChannel, found: Sequence[OpenDelivery], decided: DispatchPlan, now_ms: int
) -> list[DeliveryClaim]:
    """Claim what goes; whoever rides along stands with its carrier."""
    if not decided.send:
        return []
    rows = [[id_, carrier if carrier != id_ else None] for id_, carrier in decided.send.items()]
    won: Any = await db.rows(
        "UPDATE deliveries SET state = 'sending', attempts = attempts + 1, lease_ms = ?2, carrier_id = each.value->>1,"
        " course = CASE WHEN course = 'resent' THEN course ELSE '' END FROM {each:3}"
        f" WHERE deliveries.id = each.value->>0 AND {_IS_CLAIMABLE} RETURNING deliveries.id, attempts",
        now_ms,
        now_ms + LEASE_MS,
        _json.encode(rows).decode(),
    )
    attempts = {row["id"]: row["attempts"] for row in won}
    if not attempts:
        return []
    opened = channels.with_secrets(channel.row)
    taken = [
        _claim_of(one, opened, attempts[one.id])
        for one in sorted(found, key=lambda one: one.at_ms)
        if one.id in attempts
    ]
    riders: dict[str, list[DeliveryClaim]] = {}
    for one in taken:
        if (carrier := decided.send[one.id]) != one.id:
            riders.setdefault(carrier, []).append(one)
    return [
        msgspec.structs.replace(one, merged=tuple(riders.get(one.id, ())))
        for one in taken
        if decided.send[one.id] == one.id
    ]


def _claim_of(one: OpenDelivery, channel: ChannelWithSecrets, attempts: int) -> DeliveryClaim:
    return DeliveryClaim(
        id=one.id,
        channel=channel,
        event=one.event,
        attempts=attempts,
        created_ms=one.created_ms,
        age_from_ms=one.age_from_ms,
        maybe_sent=one.in_sent_digest or one.maybe_sent,
    )
