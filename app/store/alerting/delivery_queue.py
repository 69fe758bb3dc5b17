"""The delivery queue: which deliveries are open, due and overdue.

`app.store.alerting.delivery_claims` leases deliveries for sending, `app.store.alerting.delivery_results` records each
attempt once; deliveries of one monitor to one channel go out in order. When a worker crashes, its lease ends and
another one sends under the same delivery id. When a worker was only slow, the attempt number fences it: a result that
it records after losing its lease changes nothing. Written as SQL: joins and `NOT EXISTS`.
"""

from msgspec import Struct

from app import db
from app.store.alerting.outbox import ids_by_channel

SWEEP_GRACE_MS = 4_000  # a new delivery has its own job; the sweep picks it up after this long
SWEEP_LIMIT = 2_000  # deliveries queued by one sweep

_IS_DUE = (
    " FROM deliveries d JOIN channels c ON c.id = d.channel_id"
    " WHERE d.state IN ('pending', 'sending') AND d.next_attempt_ms <= ?1 AND (d.state = 'pending' OR"
    " d.lease_until_ms <= ?1)"
    " AND (d.attempts > 0 OR d.hold <> '' OR d.next_attempt_ms <= ?2) AND (c.circuit_open_until_ms <= ?1 OR"
    " d.monitor_id IS NULL)"
    # not while an older delivery is open, not held and sent to nobody: recording that one's result releases this one
    " AND (d.hold = 'resent' OR NOT EXISTS (SELECT 1 FROM deliveries elder WHERE elder.channel_id = d.channel_id"
    " AND elder.monitor_id = d.monitor_id AND elder.at_ms < d.at_ms AND elder.state IN ('pending', 'sending')"
    " AND elder.hold IN ('', 'grouped') AND elder.sent_ms IS NULL))"
    " ORDER BY d.next_attempt_ms LIMIT "
)
_DUE = f"SELECT d.id, d.channel_id{_IS_DUE}{SWEEP_LIMIT}"
_OLDEST_DUE = f"SELECT d.next_attempt_ms{_IS_DUE}1"


class Backlog(Struct, frozen=True):
    """Open deliveries.

    oldest_ms    creation time of the oldest one that is not held; 0 when there is none
    """

    count: int
    oldest_ms: int


async def due_deliveries(now_ms: int) -> dict[str, list[str]]:
    """Due deliveries without a sender: retries, released ones, ones that a crash left. Channel id -> delivery ids."""
    return ids_by_channel(await db.rows(_DUE, now_ms, now_ms - SWEEP_GRACE_MS))


async def overdue_ms(now_ms: int) -> int:
    """How long the longest-waiting due delivery has been due without a sender; 0 when there is none."""
    found = await db.rows(_OLDEST_DUE, now_ms, now_ms - SWEEP_GRACE_MS)
    return max(0, now_ms - found[0]["next_attempt_ms"]) if found else 0


async def backlog() -> Backlog:
    """Count the open deliveries."""
    (row,) = await db.rows(
        "SELECT count(*) AS n, min(CASE WHEN hold <> 'held' THEN COALESCE(age_from_ms, created_ms) END) AS oldest"
        " FROM deliveries WHERE state IN ('pending', 'sending')"
    )
    return Backlog(int(row["n"]), row["oldest"] or 0)
