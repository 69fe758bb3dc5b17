"""Deliveries of one webhook: list them and send them again. The id stays, so receivers can drop duplicates.

Reads are written as SQL: joins with the events.
"""

from typing import Any

from app import clock, db
from app.domain.alerting.delivery_facts import RESENT
from app.errors import Conflict, NoSuch
from app.store.listing import Listing, ListQuery
from app.store.tables.events import DeliveryRow
from schema.webhooks import WebhookDelivery

_FROM = " FROM deliveries d JOIN events e ON e.id = d.event_id"
_SELECT = f"SELECT d.*, e.kind AS event, e.at_ms AS event_ms{_FROM}"
_FILTERS = " WHERE d.channel_id = ?1 AND (CAST(?2 AS TEXT) IS NULL OR d.state = CAST(?2 AS TEXT))"
_LISTING = Listing(
    select=_SELECT,
    count="SELECT count(*) AS n FROM deliveries d",
    filters=_FILTERS,
    sorts={"created_at": "d.created_ms"},
    key="d.id",
)


class WebhookDeliveryQuery(ListQuery, frozen=True, kw_only=True):
    """Which deliveries of a webhook to list; newest first unless `descending` is false."""

    state: str | None = None
    sort: str = "created_at"
    descending: bool = True


async def list_page(webhook_id: str, query: WebhookDeliveryQuery) -> tuple[list[WebhookDelivery], int]:
    """One page of deliveries, and the total count."""
    found, total = await _LISTING.read(query, [webhook_id, query.state])
    return [_delivery_of(row) for row in found], total


async def resend(webhook_id: str, delivery_id: str) -> WebhookDelivery:
    """Send a finished delivery again, whatever its result. Raises NoSuch, Conflict while it is open."""
    now = clock.now_ms()
    async with db.transaction():
        is_finished = DeliveryRow.state.is_in(["sent", "dead", "suppressed"])
        requeued = await (
            DeliveryRow.update(
                {
                    DeliveryRow.state: "pending",
                    DeliveryRow.hold: RESENT,
                    DeliveryRow.reason_code: "",
                    DeliveryRow.error: "",
                    DeliveryRow.next_attempt_ms: now,
                    DeliveryRow.age_from_ms: now,
                    DeliveryRow.sent_ms: None,
                    DeliveryRow.digest_id: None,
                }
            )
            .where(DeliveryRow.id == delivery_id, DeliveryRow.channel_id == webhook_id, is_finished)
            .returning(DeliveryRow.id)
        )
        found = await db.rows(f"{_SELECT} WHERE d.id = ?1 AND d.channel_id = ?2", delivery_id, webhook_id)
    if not found:
        raise NoSuch("delivery", delivery_id)
    if not requeued:
        raise Conflict("The delivery is still open.", state=found[0]["state"])
    return _delivery_of(found[0])


def _delivery_of(row: Any) -> WebhookDelivery:
    return WebhookDelivery(
        id=row["id"],
        event=row["event"],
        event_id=row["event_id"],
        state=row["state"],
        attempt_count=row["attempts"],
        error=row["error"],
        occurred_at=clock.instant(row["event_ms"]),
        created_at=clock.instant(row["created_ms"]),
        next_attempt_at=clock.instant_or_none(row["next_attempt_ms"] if row["state"] == "pending" else None),
        sent_at=clock.instant_or_none(row["sent_ms"]),
    )
