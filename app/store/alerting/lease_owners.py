"""Whose leases deliveries have: ends those of processes that have ended, before their time.

`lease_owner` names the process and the attempt: `<process>/<attempt>`. With another attempt number it is left from an
earlier lease, as by a worker of a version that does not know the column, and means nothing.
Written as SQL: a partial index, row locks and batches over JSON arrays.
"""

from collections.abc import Sequence

from app import db
from app.store.alerting.outbox import ids_by_channel
from app.store.sql import list_parameter

MAX_LOST_ATTEMPTS = 3  # in a row, of a message: perhaps it is what ends the workers, so it waits for the lease

# The leases of these processes, as `d`.
_OWNED = (
    "d.state IN ('pending', 'sending') AND d.state = 'sending' AND d.lease_until_ms > 0"
    " AND EXISTS (SELECT 1 FROM {each:1} WHERE d.lease_owner = (each.value->>0) || '/' || d.attempts)"
    # The deliveries of a digest have lost the same attempts, so their leases end together, or none does.
    f" AND (d.attempts < {MAX_LOST_ATTEMPTS} OR EXISTS (SELECT 1 FROM delivery_attempts a"
    f" WHERE a.delivery_id = d.id AND a.attempt > d.attempts - {MAX_LOST_ATTEMPTS}))"
)
_LOCK = (
    f"SELECT c.id FROM channels c WHERE c.id IN (SELECT d.channel_id FROM deliveries d WHERE {_OWNED})"
    " ORDER BY c.id FOR NO KEY UPDATE"
)
# A claim that tries a channel after its backoff leaves it alone until the lease ends.
_END_TRIALS = (
    "UPDATE channels SET circuit_open_until_ms = ?2 WHERE circuit_open_until_ms > ?2 AND EXISTS (SELECT 1"
    " FROM deliveries d WHERE d.channel_id = channels.id AND d.lease_until_ms = channels.circuit_open_until_ms"
    f" AND {_OWNED})"
)
_END_LEASES = (
    "UPDATE deliveries SET lease_until_ms = 0, lease_owner = '' WHERE id IN"
    f" (SELECT d.id FROM deliveries d WHERE {_OWNED}) RETURNING id, channel_id"
)


async def list_owners() -> set[str]:
    """The processes that have leases; the empty one when a process is not known."""
    found = await db.rows(
        "SELECT DISTINCT lease_owner FROM deliveries WHERE state IN ('pending', 'sending') AND state = 'sending'"
    )
    return {row["lease_owner"].rpartition("/")[0] for row in found}


async def end_leases(processes: Sequence[str], now_ms: int) -> dict[str, list[str]]:
    """End the leases of processes that have ended: what they were sending may have arrived, and may be claimed at once.

    Call it again shortly after: a last commit of such a process may be under way.

    processes  their identities
    returns    channel id -> ids of the deliveries to send again
    """
    owners = list_parameter(processes)
    async with db.transaction():
        if not db.is_sqlite():  # claims and results of a channel lock it first, too
            await db.rows(_LOCK, owners)
        await db.rows(_END_TRIALS, owners, now_ms)
        return ids_by_channel(await db.rows(_END_LEASES, owners))
