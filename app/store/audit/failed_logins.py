"""Stores failed logins: grouped into entries of the audit log, each also a line of the log file.

Written as SQL: a join over a JSON array.
"""

import asyncio
from collections import defaultdict
from time import monotonic

import msgspec
import structlog

from app import db
from app.security.limits import failed_logins
from app.security.secrets.sealing import DecryptionFailed
from app.store.audit.log import record_entries
from schema.audit import AuditOutcome, NewAuditEntry
from schema.login_attempts import FailedLoginKey

FLUSH_INTERVAL_S = 2.0  # how soon the first failure of a kind is stored

# SQL: a JSON array of names, each of which may be an address, a user name or an id
_SELECT_ACCOUNTS = """
SELECT DISTINCT each.value->>0 AS name, u.id FROM {each:1}
JOIN users u ON u.email = each.value->>0 OR u.username = each.value->>0 OR u.id = each.value->>0
"""

log = structlog.get_logger()


async def save(*, everything: bool = False) -> None:
    """Store what is due, in one transaction, with at most two statements before each entry."""
    now_s = monotonic()
    if not (due := failed_logins.due_entries(now_s, is_final=everything)):
        failed_logins.mark_written([], now_s, is_final=everything)
        return
    entries = _entries_of(due, await _account_ids({failure.account for failure, _ in due} - {""}))
    await record_entries(entries)
    for entry in entries:
        log.warning("auth.login_failed", ip=entry.ip, account_id=entry.resource_id, code=entry.code, **entry.change)
    failed_logins.mark_written(due, now_s, is_final=everything)


async def save_forever() -> None:
    """Save every two seconds, and once more when cancelled. While the database is unavailable, failures wait."""
    while True:
        is_final = True
        try:
            await asyncio.sleep(FLUSH_INTERVAL_S)
            is_final = False
        finally:
            await _save_or_warn(everything=is_final)


async def _save_or_warn(*, everything: bool) -> None:
    try:
        await save(everything=everything)
    except (*db.TRANSIENT_ERRORS, DecryptionFailed) as error:
        log.warning("auth.login_failures_not_saved", error=type(error).__name__)


async def _account_ids(names: set[str]) -> dict[str, str]:
    """The user ids of known names. Unknown names are stored nowhere: one may be a password in the wrong field."""
    if not names:
        return {}
    rows = await db.rows(_SELECT_ACCOUNTS, msgspec.json.encode([[name] for name in names]).decode())
    return {row["name"]: row["id"] for row in rows}


def _entries_of(due: list[tuple[FailedLoginKey, int]], accounts: dict[str, str]) -> list[NewAuditEntry]:
    """One entry for each method, address and account; all unknown names count as one account."""
    counts: defaultdict[FailedLoginKey, int] = defaultdict(int)
    for failure, n in due:
        counts[msgspec.structs.replace(failure, account=accounts.get(failure.account, ""))] += n
    return [_entry_of(failure, n) for failure, n in counts.items()]


def _entry_of(failure: FailedLoginKey, n: int) -> NewAuditEntry:
    return NewAuditEntry(
        ip=failure.address,
        action="session.started",
        resource="session",
        resource_id=failure.account,
        change={"way": failure.method.value, "count": n, "locked": failure.locked},
        outcome=AuditOutcome.REFUSED,
        code="RATE_LIMITED" if failure.locked else "UNAUTHORIZED",
    )
