"""Deliveries that somebody wants sent again: the same ones, under the same ids."""

from collections.abc import Sequence
from time import time

from app import db
from app.errors import Conflict
from app.store.alerting import delivery_queries
from app.store.alerting.delivery_queries import DeliveryQuery
from app.store.alerting.delivery_queue import by_channel
from app.store.sql import listed
from app.store.visibility import Seeing
from schema.deliveries import Delivery

MOST = 1_000  # deliveries sent again at once

_AGAIN = (
    "UPDATE deliveries SET state = 'pending', course = 'resent', error = '', next_at_ms = ?2, since_ms = ?2,"
    " sent_ms = NULL, carrier_id = NULL WHERE id IN (SELECT value->>0 FROM {each:1})"
    " AND state IN ('dead', 'sent', 'suppressed') RETURNING id, channel_id"
)


async def again(delivery_id: str, seen_by: Seeing = None) -> Delivery:
    """Have one delivery that is done sent again. Raises NoSuch, Conflict."""
    before = (await delivery_queries.read(delivery_id, seen_by)).delivery
    if not await _again([delivery_id]):
        raise Conflict("The delivery is still on its way.", state=before.state)
    return (await delivery_queries.read(delivery_id, seen_by)).delivery


async def dead_ones(query: DeliveryQuery, among: Sequence[str] = ()) -> dict[str, list[str]]:
    """Have dead deliveries sent again, the oldest first, up to `MOST`: channel id -> their ids.

    among    empty: all that the query means
    """
    return await _again(await delivery_queries.dead_ids(query, among, MOST))


async def _again(ids: Sequence[str]) -> dict[str, list[str]]:
    async with db.writing():
        return by_channel(await db.rows(_AGAIN, listed(ids), int(time() * 1000)))
