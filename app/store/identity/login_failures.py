"""Attempts that failed, a row each, and the addresses an account proved itself from. The rules are in `app.security`.

A failure is committed before it is counted: of any number at once, on any number of machines, the one that is
committed n-th counts at least n.
"""

from app import db
from schema.login_attempts import FailureCount, FailureHistory, LoginAttempt

DAY_MS = 86_400_000
KNOWN_ADDRESS_TTL_MS = 90 * DAY_MS  # a season: people come back from their holidays

_SCOPES = {
    "pair": "proof = ?1 AND account = ?2 AND address = ?3",
    "account": "proof = ?1 AND account = ?2",
    "address": "proof = ?1 AND address = ?3",
}
_COUNT_FAILURES = (
    "SELECT '{name}' AS scope, count(*) AS n, COALESCE(max(at_ms), 0) AS newest_ms FROM attempts"
    " WHERE {scope} AND at_ms <= ?5"
    " AND at_ms > (SELECT max(at_ms) FROM attempts WHERE {scope} AND at_ms <= ?5) - CAST(?4 AS BIGINT)"
)
_KNOWN_ADDRESS = (
    "SELECT 'familiar' AS scope, count(*) AS n, COALESCE(max(at_ms), 0) AS newest_ms FROM familiar"
    f" WHERE {_SCOPES['pair']}"
)
_HISTORY = " UNION ALL ".join(
    [*(_COUNT_FAILURES.format(name=name, scope=one) for name, one in _SCOPES.items()), _KNOWN_ADDRESS]
)
_UPSERT_ADDRESS = (
    "INSERT INTO familiar (proof, account, address, at_ms) VALUES (?1, ?2, ?3, ?4)"
    " ON CONFLICT (proof, account, address) DO UPDATE SET at_ms = excluded.at_ms"
)


async def count_failures(attempt: LoginAttempt, window_ms: int, until_ms: int) -> FailureHistory:
    """What is known of an attempt, in one query.

    until_ms    later failures are none: the clock was put back
    """
    found = await db.rows(_HISTORY, attempt.credential_kind, attempt.account, attempt.address, window_ms, until_ms)
    told = {row["scope"]: FailureCount(row["n"], row["newest_ms"]) for row in found}
    return FailureHistory(told["pair"], told["account"], told["address"], told["familiar"].newest_ms)


async def add_failure(attempt: LoginAttempt, now_ms: int, until_ms: int) -> None:
    """Keep a failure; from `until_ms` on it may be forgotten."""
    async with db.transaction():
        await db.rows(
            "INSERT INTO attempts (proof, account, address, at_ms, until_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            attempt.credential_kind,
            attempt.account,
            attempt.address,
            now_ms,
            until_ms,
        )


async def clear_failures(attempt: LoginAttempt) -> None:
    """Forget the failures of an account from an address: it was its owner."""
    async with db.transaction():
        await db.rows(
            f"DELETE FROM attempts WHERE {_SCOPES['pair']}", attempt.credential_kind, attempt.account, attempt.address
        )


async def remember_address(attempt: LoginAttempt, now_ms: int) -> None:
    """Remember that this account proved itself from this address."""
    async with db.transaction():
        await db.rows(_UPSERT_ADDRESS, attempt.credential_kind, attempt.account, attempt.address, now_ms)


async def delete_expired(now_ms: int) -> int:
    """Remove what counts for nothing any more.

    returns  how many rows
    """
    async with db.transaction():
        gone = await db.rows("DELETE FROM attempts WHERE until_ms < ?1 RETURNING id", now_ms)
        left = await db.rows("DELETE FROM familiar WHERE at_ms < ?1 RETURNING at_ms", now_ms - KNOWN_ADDRESS_TTL_MS)
    return len(gone) + len(left)
