"""Open deliveries as a claim finds them, with their channels, which it locks; inside of its transaction."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from app import db
from app.domain.alerting import circuit_breaker, grouping
from app.domain.alerting.collapsing import Open
from app.domain.alerting.grouping import Room
from app.store.sql import listed
from schema.channels.terms import Grouping, Terms
from schema.events import Event, EventKind

# What is asked for, all that is open of the same (channel, monitor), and what is told in one message with any of them.
_FAMILIES = (
    "WITH chosen AS (SELECT d.id, d.channel_id, d.monitor_id, d.carrier_id FROM deliveries d"
    " WHERE d.id IN (SELECT value->>0 FROM {each:1}) AND d.state IN ('pending', 'sending')),"
    " family AS (SELECT id, carrier_id FROM chosen UNION SELECT f.id, f.carrier_id FROM chosen c JOIN deliveries f"
    " ON f.channel_id = c.channel_id AND f.monitor_id = c.monitor_id WHERE f.state IN ('pending', 'sending')),"
    " crew AS (SELECT id FROM family UNION SELECT carrier_id FROM family WHERE carrier_id IS NOT NULL"
    " UNION SELECT m.id FROM family f JOIN deliveries m ON m.carrier_id = COALESCE(f.carrier_id, f.id))"
    " SELECT d.id, d.channel_id, d.event_id, d.state, d.attempts, d.next_at_ms, d.lease_ms, d.error, d.carrier_id,"
    " d.course, d.created_ms, COALESCE(d.since_ms, d.created_ms) AS since_ms, d.monitor_id, e.kind, e.at_ms, e.data"
    " FROM crew JOIN deliveries d ON d.id = crew.id JOIN events e ON e.id = d.event_id"
    " WHERE d.state IN ('pending', 'sending')"
)
_CHANNELS = (
    "SELECT * FROM channels WHERE id IN (SELECT d.channel_id FROM deliveries d"
    " WHERE d.id IN (SELECT value->>0 FROM {each:1})) ORDER BY id"
)
_TOLD = (
    "SELECT sent_ms AS at_ms FROM deliveries WHERE channel_id = ?1 AND sent_ms > ?2 AND carrier_id IS NULL"
    " AND state = 'sent' UNION ALL SELECT lease_ms AS at_ms FROM deliveries WHERE channel_id = ?1"
    " AND state IN ('pending', 'sending') AND state = 'sending' AND lease_ms > ?3 AND carrier_id IS NULL"
)
_GROUPED = (
    "SELECT id FROM deliveries WHERE channel_id = ?1 AND state IN ('pending', 'sending')"
    " AND state = 'pending' AND (course = 'grouped' OR next_at_ms <= ?2) ORDER BY at_ms LIMIT ?3"
)


class Channel(Struct, frozen=True, kw_only=True):
    """What a claim has to know of a channel.

    row    all of it, for whoever sends
    """

    id: str
    row: Any
    kind: str
    active: bool
    grouping: Grouping | None
    breaker: circuit_breaker.Standing
    paused_reason: str


async def channels_of(ids: Sequence[str]) -> list[Channel]:
    """The channels of these deliveries, locked until the transaction ends."""
    lock = "" if db.is_sqlite() else " FOR NO KEY UPDATE"  # whoever stores a delivery must not wait for us
    return [_channel(row) for row in await db.rows(_CHANNELS + lock, listed(ids))]


def _channel(row: Any) -> Channel:
    terms = msgspec.json.decode(row["terms"], type=Terms)
    return Channel(
        id=row["id"],
        row=row,
        kind=row["kind"],
        active=bool(row["active"]),
        grouping=grouping.of(row["type"], terms) if row["kind"] == "channel" else None,
        breaker=standing_of(row),
        paused_reason=row["paused_reason"],
    )


def standing_of(row: Any) -> circuit_breaker.Standing:
    """How a row of `channels` says that its channel stands."""
    return circuit_breaker.Standing(
        row["failures"], row["rests_until_ms"], row["refusals"], row["paused_ms"] is not None
    )


async def families_of(ids: Sequence[str], now_ms: int) -> list[Open]:
    """What is open of these deliveries and of what belongs to them."""
    found = await db.rows(_FAMILIES, listed(ids))
    present = {row["id"] for row in found}
    carriers = {row["carrier_id"] for row in found if row["carrier_id"] != row["id"]} & present
    return [_open(row, carriers, now_ms) for row in found]


def _open(row: Any, carriers: set[str], now_ms: int) -> Open:
    leased = row["state"] == "sending" and row["lease_ms"] > now_ms
    carrier_id = row["carrier_id"] if row["carrier_id"] in carriers else None
    return Open(
        id=row["id"],
        channel_id=row["channel_id"],
        event=event_of(row),
        at_ms=row["at_ms"],
        attempts=row["attempts"],
        created_ms=row["created_ms"],
        since_ms=row["since_ms"],
        error=row["error"],
        carrier_id=carrier_id,
        course=row["course"],
        is_free=not leased and (row["state"] == "sending" or row["next_at_ms"] <= now_ms),
        leased=leased,
        bound=carrier_id is not None or row["id"] in carriers,
        unsure=row["carrier_id"] == row["id"] or (row["state"] == "sending" and not leased),
    )


def event_of(row: Any) -> Event:
    """The event of a delivery that was read with it."""
    return Event(
        id=row["event_id"],
        event=EventKind(row["kind"]),
        at=datetime.fromtimestamp(row["at_ms"] / 1000, UTC),
        monitor_id=row["monitor_id"],
        data=msgspec.json.decode(row["data"]),
    )


async def grouped_of(channel_id: str, now_ms: int, most: int) -> list[str]:
    """Ids of a channel's deliveries that wait for each other, and of those whose time has come."""
    return [row["id"] for row in await db.rows(_GROUPED, channel_id, now_ms, most)]


async def room_of(channel_id: str, terms: Grouping, now_ms: int) -> Room:
    """How many messages a channel may be sent one by one now; what is being sent counts."""
    found = await db.rows(_TOLD, channel_id, now_ms - terms.within * 1000, now_ms)
    told = sorted((min(row["at_ms"], now_ms) for row in found), reverse=True)
    return grouping.room(terms, told, now_ms)


async def rest(channel_id: str, until_ms: int) -> None:
    """Have nothing sent to a channel until then."""
    await db.rows("UPDATE channels SET rests_until_ms = ?2 WHERE id = ?1", channel_id, until_ms)
