"""Deliveries: who must still be told what. Claimed by lease, settled once, in order per monitor and channel.

The lease makes a crash harmless (another worker takes over when it ends, under the same delivery id), the attempt
number fences a worker that was only slow: what it settles after losing its claim changes nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from app import db
from schema.events import Event, EventKind

LEASE_MS = 45_000  # longer than any send (20 s) and the settling after it; how long a killed worker's delivery rests
PROMPT_MS = 4_000  # a new delivery is on its way by itself; the sweeper waits this long before it doubts that
SWEPT = 2_000  # deliveries one sweep may put

_json = msgspec.json.Encoder()

# A delivery whose elder (same channel, same monitor) is still open has to wait: people read "up" after "down".
_IS_FIRST = (
    "NOT EXISTS (SELECT 1 FROM deliveries elder WHERE elder.channel_id = deliveries.channel_id"
    " AND elder.monitor_id = deliveries.monitor_id AND elder.at_ms < deliveries.at_ms"
    " AND elder.state IN ('pending', 'sending'))"
)
_IS_FREE = "((state = 'pending' AND next_at_ms <= ?1) OR (state = 'sending' AND lease_ms <= ?1))"


class Claimed(Struct, frozen=True):
    """The right to send one delivery, until the lease ends."""

    id: str
    channel_id: str
    event: Event
    attempts: int
    created_ms: int


class Settled(Struct, frozen=True):
    """How a try went.

    state       sent, pending (again at next_at_ms) or dead
    """

    id: str
    attempts: int
    state: str
    error: str = ""
    next_at_ms: int = 0


async def claim(ids: Sequence[str], now_ms: int) -> list[Claimed]:
    """Take the right to send these, but for what is somebody else's, done, too early or behind an elder."""
    async with db.writing():
        won = await db.rows(
            "UPDATE deliveries SET state = 'sending', attempts = attempts + 1, lease_ms = ?2"
            f" WHERE id IN (SELECT value->>0 FROM {{each:3}}) AND {_IS_FREE} AND {_IS_FIRST}"
            " RETURNING id, event_id, channel_id, attempts, created_ms",
            now_ms,
            now_ms + LEASE_MS,
            _json.encode([[id_] for id_ in ids]).decode(),
        )
        events = await _events_of([row["event_id"] for row in won])
    return [
        Claimed(row["id"], row["channel_id"], events[row["event_id"]], row["attempts"], row["created_ms"])
        for row in won
    ]


async def _events_of(ids: Sequence[str]) -> dict[str, Event]:
    found = await db.rows(
        "SELECT id, kind, monitor_id, at_ms, data FROM events WHERE id IN (SELECT value->>0 FROM {each:1})",
        _json.encode([[id_] for id_ in ids]).decode(),
    )
    return {
        row["id"]: Event(
            id=row["id"],
            event=EventKind(row["kind"]),
            at=datetime.fromtimestamp(row["at_ms"] / 1000, UTC),
            monitor_id=row["monitor_id"],
            data=msgspec.json.decode(row["data"]),
        )
        for row in found
    }


async def settle(results: Sequence[Settled], now_ms: int) -> dict[str, list[str]]:
    """Record how tries went. Returns what may go now because its elder is done: channel id -> delivery ids."""
    rows = [[one.id, one.attempts, one.state, one.error[:500], one.next_at_ms] for one in results]
    async with db.writing():
        done = await db.rows(
            "UPDATE deliveries SET state = each.value->>2, error = each.value->>3,"
            " next_at_ms = CAST(each.value->>4 AS BIGINT), lease_ms = 0,"
            " sent_ms = CASE WHEN each.value->>2 = 'sent' THEN CAST(?1 AS BIGINT) END"
            " FROM {each:2} WHERE deliveries.id = each.value->>0 AND deliveries.state = 'sending'"
            " AND deliveries.attempts = CAST(each.value->>1 AS INTEGER)"
            " RETURNING deliveries.channel_id, deliveries.monitor_id",
            now_ms,
            _json.encode(rows).decode(),
        )
        return await _next_of(done, now_ms)


async def _next_of(done: Sequence[dict[str, str | None]], now_ms: int) -> dict[str, list[str]]:
    """The oldest waiting delivery of each (channel, monitor) that just had one settled."""
    pairs = sorted({(row["channel_id"], row["monitor_id"]) for row in done if row["monitor_id"]})
    if not pairs:
        return {}
    found = await db.rows(
        "SELECT deliveries.id, deliveries.channel_id FROM {each:2} JOIN deliveries"
        " ON deliveries.channel_id = each.value->>0 AND deliveries.monitor_id = each.value->>1"
        f" WHERE deliveries.state = 'pending' AND deliveries.next_at_ms <= ?1 AND {_IS_FIRST}",
        now_ms,
        _json.encode(pairs).decode(),
    )
    return by_channel(found)


async def due(now_ms: int) -> dict[str, list[str]]:
    """What nobody sends though it is time: retries, and what a crash left. Channel id -> delivery ids."""
    found = await db.rows(
        "SELECT id, channel_id FROM deliveries WHERE state IN ('pending', 'sending') AND next_at_ms <= ?1"
        f" AND {_IS_FREE} AND (attempts > 0 OR next_at_ms <= ?2) AND {_IS_FIRST}"
        f" ORDER BY next_at_ms LIMIT {SWEPT}",
        now_ms,
        now_ms - PROMPT_MS,
    )
    return by_channel(found)


async def open_count() -> int:
    """Deliveries that are neither sent nor dead."""
    return int((await db.rows("SELECT count(*) AS n FROM deliveries WHERE state IN ('pending', 'sending')"))[0]["n"])


def by_channel(rows: Sequence[dict[str, str]]) -> dict[str, list[str]]:
    """Channel id -> delivery ids: a job holds deliveries of one channel only."""
    grouped: dict[str, list[str]] = {}
    for row in rows:
        grouped.setdefault(row["channel_id"], []).append(row["id"])
    return grouped
