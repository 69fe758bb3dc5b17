"""Failed login attempts, one row each, and the known addresses of accounts. `brute_force` has the rules.

A failure is committed before it is counted: of concurrent ones, on any number of nodes, the n-th to commit counts at
least n.
"""

from app import db
from schema.login_attempts import FailureCount, FailureHistory, LoginAttempt

DAY_MS = 86_400_000
KNOWN_ADDRESS_TTL_MS = 90 * DAY_MS  # a season: users come back from a holiday

_SCOPES = {
    "pair": "credential_kind = ?1 AND account = ?2 AND address = ?3",
    "account": "credential_kind = ?1 AND account = ?2",
    "address": "credential_kind = ?1 AND address = ?3",
}
_COUNT_FAILURES = (
    "SELECT '{name}' AS scope, count(*) AS n, COALESCE(max(at_ms), 0) AS newest_ms FROM login_failures"
    " WHERE {scope} AND at_ms <= ?5"
    " AND at_ms > (SELECT max(at_ms) FROM login_failures WHERE {scope} AND at_ms <= ?5) - CAST(?4 AS BIGINT)"
)
_KNOWN_ADDRESS = (
    "SELECT 'known' AS scope, count(*) AS n, COALESCE(max(at_ms), 0) AS newest_ms FROM known_addresses"
    f" WHERE {_SCOPES['pair']}"
)
_HISTORY = " UNION ALL ".join(
    [*(_COUNT_FAILURES.format(name=name, scope=scope) for name, scope in _SCOPES.items()), _KNOWN_ADDRESS]
)
_UPSERT_ADDRESS = (
    "INSERT INTO known_addresses (credential_kind, account, address, at_ms) VALUES (?1, ?2, ?3, ?4)"
    " ON CONFLICT (credential_kind, account, address) DO UPDATE SET at_ms = excluded.at_ms"
)


async def count_failures(attempt: LoginAttempt, window_ms: int, until_ms: int) -> FailureHistory:
    """The failures that count against an attempt, in one query.

    until_ms    later failures do not count: the clock was set back
    """
    found = await db.rows(_HISTORY, attempt.credential_kind, attempt.account, attempt.address, window_ms, until_ms)
    counts = {row["scope"]: FailureCount(row["n"], row["newest_ms"]) for row in found}
    return FailureHistory(counts["pair"], counts["account"], counts["address"], counts["known"].newest_ms)


async def add_failure(attempt: LoginAttempt, now_ms: int, until_ms: int) -> None:
    """Store a failure; it may be deleted from `until_ms` on."""
    async with db.transaction():
        await db.rows(
            "INSERT INTO login_failures (credential_kind, account, address, at_ms, expires_ms) VALUES (?1, ?2,"
            " ?3, ?4, ?5)",
            attempt.credential_kind,
            attempt.account,
            attempt.address,
            now_ms,
            until_ms,
        )


async def clear_failures(attempt: LoginAttempt) -> None:
    """Delete the failures of an account from an address, because its owner signed in from there."""
    async with db.transaction():
        await db.rows(
            f"DELETE FROM login_failures WHERE {_SCOPES['pair']}",
            attempt.credential_kind,
            attempt.account,
            attempt.address,
        )


async def remember_address(attempt: LoginAttempt, now_ms: int) -> None:
    """Remember that this account signed in from this address."""
    async with db.transaction():
        await db.rows(_UPSERT_ADDRESS, attempt.credential_kind, attempt.account, attempt.address, now_ms)


async def delete_expired(now_ms: int) -> int:
    """Delete failures and known addresses that no longer count.

    returns  how many rows
    """
    async with db.transaction():
        failures = await db.rows("DELETE FROM login_failures WHERE expires_ms < ?1 RETURNING id", now_ms)
        addresses = await db.rows(
            "DELETE FROM known_addresses WHERE at_ms < ?1 RETURNING at_ms", now_ms - KNOWN_ADDRESS_TTL_MS
        )
    return len(failures) + len(addresses)
