"""Deliveries that somebody wants sent again: the same ones, under the same ids."""

from collections.abc import Sequence

from app import clock, db
from app.errors import Conflict
from app.store.alerting import delivery_queries
from app.store.alerting.delivery_queries import DeliveryQuery
from app.store.alerting.delivery_queue import ids_by_channel
from app.store.sql import list_parameter
from app.store.visibility import TagScope
from schema.deliveries import Delivery

RESEND_LIMIT = 1_000  # deliveries sent again at once

_REQUEUE = (
    "UPDATE deliveries SET state = 'pending', course = 'resent', error = '', next_at_ms = ?2, since_ms = ?2,"
    " sent_ms = NULL, carrier_id = NULL WHERE id IN (SELECT value->>0 FROM {each:1})"
    " AND state IN ('dead', 'sent', 'suppressed') RETURNING id, channel_id"
)


async def resend(delivery_id: str, visible_to: TagScope = None) -> Delivery:
    """Have one delivery that is done sent again. Raises NoSuch, Conflict."""
    before = (await delivery_queries.get(delivery_id, visible_to)).delivery
    if not await _requeue([delivery_id]):
        raise Conflict("The delivery is still on its way.", state=before.state)
    return (await delivery_queries.get(delivery_id, visible_to)).delivery


async def resend_dead(query: DeliveryQuery, delivery_ids: Sequence[str] = ()) -> dict[str, list[str]]:
    """Have dead deliveries sent again, the oldest first, up to `MOST`: channel id -> their ids.

    among    empty: all that the query means
    """
    return await _requeue(await delivery_queries.dead_ids(query, delivery_ids, RESEND_LIMIT))


async def _requeue(delivery_ids: Sequence[str]) -> dict[str, list[str]]:
    async with db.transaction():
        return ids_by_channel(await db.rows(_REQUEUE, list_parameter(delivery_ids), clock.now_ms()))
