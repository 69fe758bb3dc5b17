"""Writes down which proofs failed: a few entries of the audit log together, and a line of the log file for each."""

import asyncio
from collections import defaultdict
from time import monotonic

import msgspec
import structlog

from app import db
from app.security.limits import failed_logins
from app.security.secrets.sealing import Unopenable
from app.store.audit import log as audit
from schema.audit import AuditOutcome, Deed
from schema.login_attempts import Guess

KEEP_S = 2.0  # how soon the first of a kind is in the log

# SQL: a JSON array of names, each of which may be an address, a user name or an id
_NAMED = """
SELECT DISTINCT each.value->>0 AS name, u.id FROM {each:1}
JOIN users u ON u.email = each.value->>0 OR u.username = each.value->>0 OR u.id = each.value->>0
"""

log = structlog.get_logger()


async def keep(*, everything: bool = False) -> None:
    """Write down what is due: in one transaction, and after two statements at most for each entry."""
    now_s = monotonic()
    if not (found := failed_logins.due(now_s, everything=everything)):
        failed_logins.settle([], now_s, everything=everything)
        return
    deeds = _deeds_of(found, await _accounts({guess.account for guess, _ in found} - {""}))
    await audit.record_all(deeds)
    for deed in deeds:
        log.warning("guess.refused", ip=deed.ip, account_id=deed.resource_id, code=deed.code, **deed.change)
    failed_logins.settle(found, now_s, everything=everything)


async def keep_forever() -> None:
    """Write them every two seconds, and once more when cancelled. A database that is away gets them later."""
    while True:
        ends = True
        try:
            await asyncio.sleep(KEEP_S)
            ends = False
        finally:
            await _keep_or_warn(everything=ends)


async def _keep_or_warn(*, everything: bool) -> None:
    try:
        await keep(everything=everything)
    except (*db.TROUBLE, Unopenable) as error:
        log.warning("guess.not_stored", reason=type(error).__name__)


async def _accounts(names: set[str]) -> dict[str, str]:
    """The ids of those who are users. What else was typed is shown nowhere: it may be a password in the wrong field."""
    if not names:
        return {}
    rows = await db.rows(_NAMED, msgspec.json.encode([[name] for name in names]).decode())
    return {row["name"]: row["id"] for row in rows}


def _deeds_of(found: list[tuple[Guess, int]], accounts: dict[str, str]) -> list[Deed]:
    """One entry for each way, address and account; names that are nobody's are one account."""
    counts: defaultdict[Guess, int] = defaultdict(int)
    for guess, n in found:
        counts[msgspec.structs.replace(guess, account=accounts.get(guess.account, ""))] += n
    return [_deed_of(guess, n) for guess, n in counts.items()]


def _deed_of(guess: Guess, n: int) -> Deed:
    return Deed(
        ip=guess.address,
        action="session.started",
        resource="session",
        resource_id=guess.account,
        change={"way": guess.way.value, "count": n, "locked": guess.locked},
        outcome=AuditOutcome.REFUSED,
        code="RATE_LIMITED" if guess.locked else "UNAUTHORIZED",
    )
