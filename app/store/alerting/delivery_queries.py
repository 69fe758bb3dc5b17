"""Queries of deliveries, limited to monitors that the caller may see. Written as SQL: joins and conditions on tags."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from app import clock, db
from app.domain.alerting import reasons
from app.errors import NoSuch
from app.store import visibility
from app.store.sql import list_parameter
from app.store.tables.events import DeliveryAttemptRow
from app.store.visibility import TagScope
from schema.deliveries import Delivery, DeliveryAttempt, DeliveryDetail, ReasonCode, RecipientResult
from schema.events import EventKind

COUNT_LIMIT = 100_000
END_MS = 2**62
SORTS = {"created_at": "d.created_ms", "event_at": "d.at_ms", "sent_at": "COALESCE(d.sent_ms, 0)"}

_JOINED = (
    " FROM deliveries d JOIN events e ON e.id = d.event_id"
    " JOIN channels c ON c.id = d.channel_id AND (NOT c.is_temporary OR c.deleted_ms IS NOT NULL)"
)
_FROM = (
    f"{_JOINED} WHERE (CAST(?1 AS TEXT) IS NULL OR d.channel_id = CAST(?1 AS TEXT))"
    " AND (CAST(?2 AS TEXT) IS NULL OR d.monitor_id = CAST(?2 AS TEXT))"
    " AND (CAST(?3 AS TEXT) IS NULL OR e.incident_id = CAST(?3 AS TEXT))"
    " AND (CAST(?4 AS TEXT) IS NULL OR e.kind = CAST(?4 AS TEXT))"
    " AND (CAST(?5 AS TEXT) IS NULL OR d.state = CAST(?5 AS TEXT))"
    f" AND d.created_ms >= ?6 AND d.created_ms < ?7 AND {visibility.visible_monitors_sql('d.monitor_id', 8)}"
)
_COLUMNS = (
    "SELECT d.id, d.event_id, e.kind, d.at_ms, d.channel_id, c.name AS channel_name, c.type AS channel_type,"
    " c.kind AS channel_kind, c.deleted_ms, d.monitor_id, e.incident_id, d.state, d.attempts, d.next_attempt_ms,"
    " d.reason_code, d.error, d.digest_id, d.created_ms, d.sent_ms"
)
_SELECT_ONE = f"{_COLUMNS}, e.data{_JOINED} WHERE d.id = ?1 AND {visibility.visible_monitors_sql('d.monitor_id', 2)}"
_TO_LIVING = " AND c.deleted_ms IS NULL"
_EXCLUDE_TESTS = " AND CAST(?9 AS TEXT) IS NOT NULL AND NOT e.is_test"


class DeliveryQuery(Struct, frozen=True, kw_only=True):
    """Which deliveries to list, in which order.

    from_ms, to_ms    range of creation times; `to_ms` is excluded
    sort              one of `SORTS`
    names_webhooks    whether the deliveries have the names of webhooks, which viewers do not see
    """

    channel_id: str | None = None
    monitor_id: str | None = None
    incident_id: str | None = None
    event: EventKind | None = None
    state: str | None = None
    from_ms: int = 0
    to_ms: int = END_MS
    sort: str = "created_at"
    descending: bool = True
    limit: int = 20
    offset: int = 0
    visible_to: TagScope = None
    names_webhooks: bool = True


async def list_page(query: DeliveryQuery) -> list[Delivery]:
    """One page of deliveries."""
    direction = "DESC" if query.descending else "ASC"
    order = f" ORDER BY {SORTS[query.sort]} {direction}, d.id {direction} LIMIT ?9 OFFSET {query.offset:d}"
    found = await db.rows(_COLUMNS + _FROM + order, *_arguments(query), query.limit)
    return [_delivery_of(row, query.visible_to, names_webhooks=query.names_webhooks) for row in found]


async def count(query: DeliveryQuery) -> int:
    """How many deliveries match, counted up to `COUNT_LIMIT`."""
    matching = f"SELECT 1 AS one{_FROM} LIMIT {COUNT_LIMIT}"
    (row,) = await db.rows(f"SELECT count(*) AS n FROM ({matching}) AS found", *_arguments(query))
    return int(row["n"])


async def get(delivery_id: str, visible_to: TagScope = None, *, names_webhooks: bool = True) -> DeliveryDetail:
    """One delivery with its event and attempts. Raises NoSuch, also when it is not visible."""
    found = await db.rows(_SELECT_ONE, delivery_id, visibility.tags_parameter(visible_to))
    if not found:
        raise NoSuch("delivery", delivery_id)
    delivery = _delivery_of(found[0], visible_to, names_webhooks=names_webhooks)
    data = msgspec.json.decode(found[0]["data"])
    return DeliveryDetail(delivery=delivery, data=data, attempts=await _attempts_of(delivery_id))


async def dead_ids(query: DeliveryQuery, delivery_ids: Sequence[str], limit: int) -> list[str]:
    """Ids of dead deliveries to channels that exist, oldest first.

    delivery_ids    only these; empty for all except tests, whose result is no longer awaited
    """
    dead = msgspec.structs.replace(query, state="dead")
    condition = " AND d.id IN (SELECT value->>0 FROM {each:9})" if delivery_ids else _EXCLUDE_TESTS
    order = f" ORDER BY d.created_ms, d.id LIMIT {limit:d}"
    select = "SELECT d.id" + _FROM + _TO_LIVING + condition + order
    found = await db.rows(select, *_arguments(dead), list_parameter(delivery_ids))
    return [row["id"] for row in found]


def _arguments(query: DeliveryQuery) -> tuple[Any, ...]:
    return (
        query.channel_id,
        query.monitor_id,
        query.incident_id,
        query.event and query.event.value,
        query.state,
        query.from_ms,
        query.to_ms,
        visibility.tags_parameter(query.visible_to),
    )


def _delivery_of(row: Any, visible_to: TagScope, *, names_webhooks: bool) -> Delivery:
    is_named = names_webhooks or row["channel_kind"] != "webhook"
    return Delivery(
        id=row["id"],
        event_id=row["event_id"],
        event=EventKind(row["kind"]),
        event_at=clock.instant(row["at_ms"]),
        channel_id=row["channel_id"],
        channel_name=row["channel_name"] if is_named else "",
        channel_type=row["channel_type"],
        channel_deleted_at=clock.instant_or_none(row["deleted_ms"]),
        monitor_id=row["monitor_id"],
        incident_id=row["incident_id"],
        state=row["state"],
        attempt_count=row["attempts"],
        next_attempt_at=clock.instant_or_none(row["next_attempt_ms"] if row["state"] == "pending" else None),
        reason_code=ReasonCode(row["reason_code"]) if row["reason_code"] else None,
        error=row["error"] if visible_to is None else reasons.redact(row["reason_code"], row["error"]),
        digest_id=None if row["digest_id"] == row["id"] else row["digest_id"],
        created_at=clock.instant(row["created_ms"]),
        sent_at=clock.instant_or_none(row["sent_ms"]),
    )


async def _attempts_of(delivery_id: str) -> list[DeliveryAttempt]:
    row = DeliveryAttemptRow
    query = row.select(row.attempt, row.at_ms, row.took_ms, row.state, row.error, row.recipients)
    return [
        DeliveryAttempt(
            attempt=one["attempt"],
            at=clock.instant(one["at_ms"]),
            took=one["took_ms"] / 1000,
            state=one["state"],
            error=one["error"],
            recipients=msgspec.json.decode(one["recipients"], type=list[RecipientResult]),
        )
        for one in await query.where(row.delivery_id == delivery_id).order_by(row.attempt)
    ]
