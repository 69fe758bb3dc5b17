"""Sends deliveries again, under the same ids. Written as SQL: a batch over a JSON array."""

from collections.abc import Sequence

from app import clock, db
from app.errors import Conflict
from app.store.alerting import delivery_queries
from app.store.alerting.delivery_queries import DeliveryQuery
from app.store.alerting.outbox import ids_by_channel
from app.store.sql import list_parameter
from app.store.visibility import TagScope
from schema.deliveries import Delivery

RESEND_LIMIT = 1_000  # deliveries resent by one request

_REQUEUE = (
    "UPDATE deliveries SET state = 'pending', hold = 'resent', reason_code = '', error = '', next_attempt_ms = ?2,"
    " age_from_ms = ?2, sent_ms = NULL, digest_id = NULL, recipients = '[]'"
    " WHERE id IN (SELECT value->>0 FROM {each:1})"
    " AND state IN ('dead', 'sent', 'suppressed')"
    " AND NOT EXISTS (SELECT 1 FROM channels c WHERE c.id = deliveries.channel_id AND c.deleted_ms IS NOT NULL)"
    " RETURNING id, channel_id"
)


async def resend(delivery_id: str, visible_to: TagScope = None) -> Delivery:
    """Send one finished delivery again. Raises NoSuch, Conflict while it is open or when its channel was deleted."""
    before = (await delivery_queries.get(delivery_id, visible_to)).delivery
    if before.channel_deleted_at is not None:
        raise Conflict("The channel was deleted, so nothing can be sent to it any more.")
    if not await _requeue([delivery_id]):
        raise Conflict("The delivery is still open.", state=before.state)
    return (await delivery_queries.get(delivery_id, visible_to)).delivery


async def resend_dead(query: DeliveryQuery, delivery_ids: Sequence[str] = ()) -> dict[str, list[str]]:
    """Send dead deliveries again, oldest first, up to `RESEND_LIMIT`.

    delivery_ids    only these; empty for all that match the query
    returns         channel id -> delivery ids
    """
    return await _requeue(await delivery_queries.dead_ids(query, delivery_ids, RESEND_LIMIT))


async def _requeue(delivery_ids: Sequence[str]) -> dict[str, list[str]]:
    async with db.transaction():
        return ids_by_channel(await db.rows(_REQUEUE, list_parameter(delivery_ids), clock.now_ms()))
