"""Signing keys of tokens: created here, stored encrypted, read by every process that signs or verifies."""

import asyncio
import secrets
from functools import cache

import structlog
from piccolo.query.base import FrozenQuery
from piccolo.query.functions import Max

from app import clock, db
from app.security.auth import keyring, tokens
from app.security.auth.keyring import SigningKey
from app.security.secrets import sealing
from app.store.tables.signing_keys import SigningKeyRow

POLL_S = 3.0  # how often a process looks for a new key
HEAD_START_S = 15  # a new key signs only when every process has had time to read it
SECRET_BYTES = 32  # as many as SHA-256 gives back
LOCK = 7_746_338  # any number of our own: only one process creates the first key

log = structlog.get_logger()


async def rotate() -> str:
    """Create a key and delete those that no valid token is signed with; returns the new key's id."""
    now_ms = clock.now_ms()
    async with db.transaction():
        key_id = await _create(now_ms)
        await _delete_before(now_ms - tokens.REFRESH_LIFETIME_S * 1000)
    return key_id


async def load() -> None:
    """Load the keys into this process's keyring; the very first process creates the first one."""
    keys = await _list_all()
    if not keys:
        async with db.transaction():
            await db.advisory_lock(LOCK)
            if not await _list_all():
                await _create(clock.now_ms())
        keys = await _list_all()
    keyring.set_keys(keys)


async def reload_forever() -> None:
    """Load new keys, until cancelled. When that fails, the keys in use stay."""
    while True:
        try:
            await load()
        except (*db.TRANSIENT_ERRORS, *db.UNMIGRATED, sealing.DecryptionFailed) as error:
            log.warning("signing_keys.reload_failed", error=type(error).__name__)
        await asyncio.sleep(POLL_S)


async def _delete_before(oldest_token_ms: int) -> None:
    """Delete the keys that stopped signing before the oldest valid token was signed."""
    newest = SigningKeyRow.select(Max(SigningKeyRow.signs_from_ms, alias="from_ms"))
    (signing,) = await newest.where(SigningKeyRow.signs_from_ms < oldest_token_ms)
    if signing["from_ms"] is not None:
        await SigningKeyRow.delete().where(SigningKeyRow.signs_from_ms < signing["from_ms"])


async def _create(now_ms: int) -> str:
    key_id = secrets.token_hex(6)
    row = SigningKeyRow(
        id=key_id,
        secret=sealing.encrypt(secrets.token_hex(SECRET_BYTES)),
        signs_from_ms=now_ms + HEAD_START_S * 1000,
    )
    await SigningKeyRow.insert(row)
    return key_id


async def _list_all() -> list[SigningKey]:
    found = await _all_keys().run()
    return [
        SigningKey(
            id=row["id"],
            secret=bytes.fromhex(sealing.decrypt(row["secret"])),
            signs_from_s=row["signs_from_ms"] / 1000,
        )
        for row in found
    ]


@cache
def _all_keys() -> FrozenQuery:
    return SigningKeyRow.select().freeze()
