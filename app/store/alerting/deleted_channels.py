"""Deleted channels and webhooks: the row stays, with name and type only, as long as a delivery refers to it.

Deliveries and timelines read the name there. The row has `is_temporary` like that of a test channel, so lists, links,
routes and health leave it out, in processes of the previous version too. Housekeeping deletes it when retention has
deleted its last delivery. Written as SQL: subqueries, and literal states that partial indexes need.
"""

from typing import Any

from app import clock, db
from app.domain.alerting import reasons
from app.domain.alerting.reasons import Reason
from app.store.alerting import channel_health
from app.store.tables.channels import ChannelRow, ChannelTagRow, MonitorChannelRow
from schema.deliveries import ReasonCode

GRACE_MS = 600_000  # transactions that chose recipients before the deletion still store their deliveries
# A valid config of a webhook: the previous version decodes those of all webhooks. RFC 2606 reserves the name.
ERASED_CONFIG = '{"type":"webhook","url":"https://deleted.invalid/"}'
ERASED_COLUMNS: dict[Any, Any] = channel_health.HEALTHY_COLUMNS | {
    ChannelRow.is_temporary: True,
    ChannelRow.active: False,
    ChannelRow.is_default: False,
    ChannelRow.all_monitors: False,
    ChannelRow.config: ERASED_CONFIG,
    ChannelRow.rules: "{}",
    ChannelRow.rotated_ms: None,
    ChannelRow.proxy_id: None,
}


async def mark_deleted(channel_id: str) -> None:
    """Delete a channel's links, secrets and rules, and suppress what is pending; inside the caller's transaction.

    The caller has locked the channel. What is being sent ends with its attempt.
    """
    now_ms = clock.now_ms()
    await MonitorChannelRow.delete().where(MonitorChannelRow.channel_id == channel_id)
    await ChannelTagRow.delete().where(ChannelTagRow.channel_id == channel_id)
    columns = ERASED_COLUMNS | {ChannelRow.deleted_ms: now_ms, ChannelRow.updated_ms: now_ms}
    await ChannelRow.update(columns).where(ChannelRow.id == channel_id)
    await suppress_pending(channel_id, now_ms)


async def suppress_pending(channel_id: str, now_ms: int) -> None:
    """Suppress the pending deliveries of a channel if it is deleted; inside the caller's transaction."""
    reason = Reason(ReasonCode.CHANNEL_DELETED)
    await db.rows(
        # What some recipients have was sent.
        "UPDATE deliveries SET state = CASE WHEN sent_ms IS NULL THEN 'suppressed' ELSE 'sent' END, reason_code = ?3,"
        " error = ?4, next_attempt_ms = ?2, digest_id = NULL"
        " WHERE channel_id = ?1 AND state IN ('pending', 'sending') AND state = 'pending'"
        " AND EXISTS (SELECT 1 FROM channels c WHERE c.id = deliveries.channel_id AND c.deleted_ms IS NOT NULL)",
        channel_id,
        now_ms,
        reason.code.value,
        reasons.sentence(reason),
    )


async def delete_unreferenced(now_ms: int) -> int:
    """Delete the rows of deleted channels to which no delivery refers; returns how many."""
    async with db.transaction():
        deleted = await db.rows(
            "DELETE FROM channels WHERE deleted_ms < ?1"
            " AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.channel_id = channels.id) RETURNING id",
            now_ms - GRACE_MS,
        )
    return len(deleted)
