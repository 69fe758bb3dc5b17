"""Open deliveries and their channels as a claim reads and locks them, inside its transaction.

Written as SQL: CTEs, unions over the outbox and row locks.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from app import clock, db
from app.domain.alerting import circuit_breaker, grouping
from app.domain.alerting.collapsing import OpenDelivery
from app.domain.alerting.grouping import BurstCapacity
from app.store.alerting.channel_rows import StoredChannel, rules_of, stored_channel
from app.store.sql import list_parameter
from app.store.tables.channels import ChannelRow
from schema.channels.rules import Grouping
from schema.events import Event, EventKind

# The requested deliveries, all open ones of the same (channel, monitor), and the digests that any of them belong to.
_RELATED = (
    "WITH chosen AS (SELECT d.id, d.channel_id, d.monitor_id, d.digest_id FROM deliveries d"
    " WHERE d.id IN (SELECT value->>0 FROM {each:1}) AND d.state IN ('pending', 'sending')),"
    " family AS (SELECT id, digest_id FROM chosen UNION SELECT f.id, f.digest_id FROM chosen c JOIN deliveries f"
    " ON f.channel_id = c.channel_id AND f.monitor_id = c.monitor_id WHERE f.state IN ('pending', 'sending')),"
    " crew AS (SELECT id FROM family UNION SELECT digest_id FROM family WHERE digest_id IS NOT NULL"
    " UNION SELECT m.id FROM family f JOIN deliveries m ON m.digest_id = COALESCE(f.digest_id, f.id))"
    " SELECT d.id, d.channel_id, d.event_id, d.state, d.attempts, d.next_attempt_ms, d.lease_until_ms, d.error,"
    " d.digest_id, d.sent_ms,"
    " d.hold, d.created_ms, COALESCE(d.age_from_ms, d.created_ms) AS age_from_ms, d.monitor_id, e.kind, e.at_ms, e.data"
    " FROM crew JOIN deliveries d ON d.id = crew.id JOIN events e ON e.id = d.event_id"
    " WHERE d.state IN ('pending', 'sending')"
)
_CHANNELS = (
    "SELECT * FROM channels WHERE id IN (SELECT d.channel_id FROM deliveries d"
    " WHERE d.id IN (SELECT value->>0 FROM {each:1})) ORDER BY id"
)
_RECENTLY_SENT = (
    "SELECT sent_ms AS at_ms FROM deliveries WHERE channel_id = ?1 AND sent_ms > ?2 AND digest_id IS NULL"
    " AND state = 'sent' UNION ALL SELECT lease_until_ms AS at_ms FROM deliveries WHERE channel_id = ?1"
    " AND state IN ('pending', 'sending') AND state = 'sending' AND lease_until_ms > ?3 AND digest_id IS NULL"
)
_WAITING_FOR_DIGEST = (
    "SELECT id FROM deliveries WHERE channel_id = ?1 AND state IN ('pending', 'sending')"
    " AND state = 'pending' AND (hold = 'grouped' OR next_attempt_ms <= ?2) ORDER BY at_ms LIMIT ?3"
)


class ClaimChannel(Struct, frozen=True, kw_only=True):
    """The part of a channel that decides what may be sent.

    stored    the whole channel, for the sender
    """

    id: str
    stored: StoredChannel
    kind: str
    active: bool
    grouping: Grouping | None
    circuit: circuit_breaker.CircuitState
    disabled_reason: str


async def lock_channels(delivery_ids: Sequence[str]) -> list[ClaimChannel]:
    """The channels of these deliveries, locked until the transaction ends."""
    lock = "" if db.is_sqlite() else " FOR NO KEY UPDATE"  # does not block inserts of deliveries
    return [
        _claim_channel_of(stored_channel(row)) for row in await db.rows(_CHANNELS + lock, list_parameter(delivery_ids))
    ]


def _claim_channel_of(stored: StoredChannel) -> ClaimChannel:
    return ClaimChannel(
        id=stored.id,
        stored=stored,
        kind=stored.kind,
        active=stored.active,
        grouping=grouping.grouping_of(stored.type, rules_of(stored)) if stored.kind == "channel" else None,
        circuit=circuit_state_of(stored),
        disabled_reason=stored.disabled_reason,
    )


def circuit_state_of(channel: StoredChannel) -> circuit_breaker.CircuitState:
    """The state of a channel's circuit breaker."""
    return circuit_breaker.CircuitState(
        channel.temporary_failures,
        channel.circuit_open_until_ms,
        channel.permanent_failures,
        channel.disabled_ms is not None,
        channel.rejected_messages,
    )


async def related_deliveries(delivery_ids: Sequence[str], now_ms: int) -> list[OpenDelivery]:
    """These deliveries and all open ones of their monitors and digests."""
    found = await db.rows(_RELATED, list_parameter(delivery_ids))
    present = {row["id"] for row in found}
    digest_ids = {row["digest_id"] for row in found if row["digest_id"] != row["id"]} & present
    return [_open_delivery_of(row, digest_ids, now_ms) for row in found]


def _open_delivery_of(row: Any, digest_ids: set[str], now_ms: int) -> OpenDelivery:
    leased = row["state"] == "sending" and row["lease_until_ms"] > now_ms
    digest_id = row["digest_id"] if row["digest_id"] in digest_ids else None
    return OpenDelivery(
        id=row["id"],
        channel_id=row["channel_id"],
        event=event_from_row(row),
        at_ms=row["at_ms"],
        attempts=row["attempts"],
        created_ms=row["created_ms"],
        age_from_ms=row["age_from_ms"],
        error=row["error"],
        digest_id=digest_id,
        hold=row["hold"],
        is_ready=not leased and (row["state"] == "sending" or row["next_attempt_ms"] <= now_ms),
        leased=leased,
        in_sent_digest=digest_id is not None or row["id"] in digest_ids,
        maybe_sent=row["digest_id"] == row["id"] or (row["state"] == "sending" and not leased),
        partly_sent=row["sent_ms"] is not None,
    )


def event_from_row(row: Any) -> Event:
    """The event in a row that joins a delivery with its event."""
    return Event(
        id=row["event_id"],
        event=EventKind(row["kind"]),
        at=clock.instant(row["at_ms"]),
        monitor_id=row["monitor_id"],
        data=msgspec.json.decode(row["data"]),
    )


async def waiting_for_digest(channel_id: str, now_ms: int, limit: int) -> list[str]:
    """Ids of a channel's deliveries that wait for a digest or are due, oldest event first."""
    return [row["id"] for row in await db.rows(_WAITING_FOR_DIGEST, channel_id, now_ms, limit)]


async def burst_capacity(channel_id: str, limits: Grouping, now_ms: int) -> BurstCapacity:
    """How many single messages the channel may receive now; those being sent count."""
    found = await db.rows(_RECENTLY_SENT, channel_id, now_ms - limits.window * 1000, now_ms)
    sent_ms = sorted((min(row["at_ms"], now_ms) for row in found), reverse=True)
    return grouping.capacity(limits, sent_ms, now_ms)


async def open_circuit(channel_id: str, until_ms: int) -> None:
    """Send nothing to this channel before `until_ms`."""
    await ChannelRow.update({ChannelRow.circuit_open_until_ms: until_ms}).where(ChannelRow.id == channel_id)
