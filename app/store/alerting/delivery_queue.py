"""Deliveries: who must still be told what. Claimed by lease, settled once, in order per monitor and channel.

The lease makes a crash harmless (another worker takes over when it ends, under the same delivery id), the attempt
number fences a worker that was only slow: what it settles after losing its claim changes nothing. Claims are in
`app.store.alerting.delivery_claims`, settlements in `app.store.alerting.delivery_results`; here is what is still open.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from app import db

SWEEP_GRACE_MS = 4_000  # a new delivery is on its way by itself; the sweeper waits this long before it doubts that
SWEEP_LIMIT = 2_000  # deliveries one sweep may put

_IS_DUE = (
    " FROM deliveries d JOIN channels c ON c.id = d.channel_id"
    " WHERE d.state IN ('pending', 'sending') AND d.next_at_ms <= ?1 AND (d.state = 'pending' OR d.lease_ms <= ?1)"
    " AND (d.attempts > 0 OR d.course <> '' OR d.next_at_ms <= ?2) AND (c.rests_until_ms <= ?1 OR d.monitor_id IS NULL)"
    # behind an elder that nobody holds back: it is freed when that one is settled
    " AND (d.course = 'resent' OR NOT EXISTS (SELECT 1 FROM deliveries elder WHERE elder.channel_id = d.channel_id"
    " AND elder.monitor_id = d.monitor_id AND elder.at_ms < d.at_ms AND elder.state IN ('pending', 'sending')"
    " AND elder.course IN ('', 'grouped')))"
    " ORDER BY d.next_at_ms LIMIT "
)
_DUE = f"SELECT d.id, d.channel_id{_IS_DUE}{SWEEP_LIMIT}"
_OLDEST_DUE = f"SELECT d.next_at_ms{_IS_DUE}1"


class Backlog(Struct, frozen=True):
    """What is open.

    oldest_ms    when the oldest of them was made, of those that nothing holds back; 0 for none
    """

    count: int
    oldest_ms: int


async def due_deliveries(now_ms: int) -> dict[str, list[str]]:
    """What nobody sends though it is time: retries, what was held back, what a crash left. Channel id -> ids."""
    return ids_by_channel(await db.rows(_DUE, now_ms, now_ms - SWEEP_GRACE_MS))


async def overdue_ms(now_ms: int) -> int:
    """How long ago the delivery was due that has waited longest with nobody sending it; 0 when there is none."""
    found = await db.rows(_OLDEST_DUE, now_ms, now_ms - SWEEP_GRACE_MS)
    return max(0, now_ms - found[0]["next_at_ms"]) if found else 0


async def backlog() -> Backlog:
    """What is neither sent nor given up."""
    (row,) = await db.rows(
        "SELECT count(*) AS n, min(CASE WHEN course <> 'gated' THEN COALESCE(since_ms, created_ms) END) AS oldest"
        " FROM deliveries WHERE state IN ('pending', 'sending')"
    )
    return Backlog(int(row["n"]), row["oldest"] or 0)


def ids_by_channel(rows: Sequence[Any]) -> dict[str, list[str]]:
    """Channel id -> delivery ids: a job holds deliveries of one channel only."""
    grouped: dict[str, list[str]] = {}
    for row in rows:
        grouped.setdefault(row["channel_id"], []).append(row["id"])
    return grouped
