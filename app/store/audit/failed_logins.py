"""Writes down which proofs failed: a few entries of the audit log together, and a line of the log file for each."""

import asyncio
from collections import defaultdict
from time import monotonic

import msgspec
import structlog

from app import db
from app.security.limits import failed_logins
from app.security.secrets.sealing import DecryptionFailed
from app.store.audit import log as audit
from schema.audit import AuditOutcome, NewAuditEntry
from schema.login_attempts import FailedLoginKey

FLUSH_INTERVAL_S = 2.0  # how soon the first of a kind is in the log

# SQL: a JSON array of names, each of which may be an address, a user name or an id
_SELECT_ACCOUNTS = """
SELECT DISTINCT each.value->>0 AS name, u.id FROM {each:1}
JOIN users u ON u.email = each.value->>0 OR u.username = each.value->>0 OR u.id = each.value->>0
"""

log = structlog.get_logger()


async def save(*, everything: bool = False) -> None:
    """Write down what is due: in one transaction, and after two statements at most for each entry."""
    now_s = monotonic()
    if not (found := failed_logins.due_entries(now_s, is_final=everything)):
        failed_logins.mark_written([], now_s, is_final=everything)
        return
    deeds = _entries_of(found, await _account_ids({guess.account for guess, _ in found} - {""}))
    await audit.record_entries(deeds)
    for deed in deeds:
        log.warning("guess.refused", ip=deed.ip, account_id=deed.resource_id, code=deed.code, **deed.change)
    failed_logins.mark_written(found, now_s, is_final=everything)


async def save_forever() -> None:
    """Write them every two seconds, and once more when cancelled. A database that is away gets them later."""
    while True:
        ends = True
        try:
            await asyncio.sleep(FLUSH_INTERVAL_S)
            ends = False
        finally:
            await _save_or_warn(everything=ends)


async def _save_or_warn(*, everything: bool) -> None:
    try:
        await save(everything=everything)
    except (*db.TRANSIENT_ERRORS, DecryptionFailed) as error:
        log.warning("guess.not_stored", reason=type(error).__name__)


async def _account_ids(names: set[str]) -> dict[str, str]:
    """The ids of those who are users. What else was typed is shown nowhere: it may be a password in the wrong field."""
    if not names:
        return {}
    rows = await db.rows(_SELECT_ACCOUNTS, msgspec.json.encode([[name] for name in names]).decode())
    return {row["name"]: row["id"] for row in rows}


def _entries_of(found: list[tuple[FailedLoginKey, int]], accounts: dict[str, str]) -> list[NewAuditEntry]:
    """One entry for each way, address and account; names that are nobody's are one account."""
    counts: defaultdict[FailedLoginKey, int] = defaultdict(int)
    for guess, n in found:
        counts[msgspec.structs.replace(guess, account=accounts.get(guess.account, ""))] += n
    return [_entry_of(guess, n) for guess, n in counts.items()]


def _entry_of(guess: FailedLoginKey, n: int) -> NewAuditEntry:
    return NewAuditEntry(
        ip=guess.address,
        action="session.started",
        resource="session",
        resource_id=guess.account,
        change={"way": guess.method.value, "count": n, "locked": guess.locked},
        outcome=AuditOutcome.REFUSED,
        code="RATE_LIMITED" if guess.locked else "UNAUTHORIZED",
    )
