"""Failed login attempts, one row each, and the known addresses of accounts. `brute_force` has the rules.

A failure is committed before it is counted: of concurrent ones, on any number of nodes, the n-th to commit counts at
least n.
Written as SQL: the counts, which are one UNION.
"""

from app import db
from app.store.tables.login_failures import KnownAddressRow, LoginFailureRow
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


async def count_failures(attempt: LoginAttempt, window_ms: int, until_ms: int) -> FailureHistory:
    """The failures that count against an attempt, in one query.

    until_ms    later failures do not count: the clock was set back
    """
    found = await db.rows(_HISTORY, attempt.credential_kind, attempt.account, attempt.address, window_ms, until_ms)
    counts = {row["scope"]: FailureCount(row["n"], row["newest_ms"]) for row in found}
    return FailureHistory(counts["pair"], counts["account"], counts["address"], counts["known"].newest_ms)


async def add_failure(attempt: LoginAttempt, now_ms: int, until_ms: int) -> None:
    """Store a failure; it may be deleted from `until_ms` on."""
    row = LoginFailureRow(
        credential_kind=attempt.credential_kind, account=attempt.account, address=attempt.address, at_ms=now_ms,
        expires_ms=until_ms,
    )  # fmt: skip
    async with db.transaction():
        await LoginFailureRow.insert(row)


async def clear_failures(attempt: LoginAttempt) -> None:
    """Delete the failures of an account from an address, because its owner signed in from there."""
    is_account = (LoginFailureRow.credential_kind == attempt.credential_kind) & (
        LoginFailureRow.account == attempt.account
    )
    async with db.transaction():
        await LoginFailureRow.delete().where(is_account & (LoginFailureRow.address == attempt.address))


async def remember_address(attempt: LoginAttempt, now_ms: int) -> None:
    """Remember that this account signed in from this address."""
    row = KnownAddressRow(
        credential_kind=attempt.credential_kind, account=attempt.account, address=attempt.address, at_ms=now_ms
    )
    key = (KnownAddressRow.credential_kind, KnownAddressRow.account, KnownAddressRow.address)
    async with db.transaction():
        await KnownAddressRow.insert(row).on_conflict(key, "DO UPDATE", [KnownAddressRow.at_ms])


async def delete_expired(now_ms: int) -> int:
    """Delete failures and known addresses that no longer count.

    returns  how many rows
    """
    async with db.transaction():
        failures = LoginFailureRow.delete().where(LoginFailureRow.expires_ms < now_ms)
        n_failures = len(await failures.returning(LoginFailureRow.id))
        addresses = KnownAddressRow.delete().where(KnownAddressRow.at_ms < now_ms - KNOWN_ADDRESS_TTL_MS)
        n_addresses = len(await addresses.returning(KnownAddressRow.at_ms))
    return n_failures + n_addresses
