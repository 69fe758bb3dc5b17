"""Passkeys of users. Only `mfa.disable`, which needs the password, removes the last second factor."""

from typing import Any
from uuid import uuid4

import msgspec

from app import clock, db
from app.errors import Conflict, NoSuch, Unauthorized
from app.security.auth.relying_party import PASSKEY_NOT_VERIFIED, StoredPasskey
from app.store.identity import mfa
from schema.passkeys import Passkey

MAX_PER_USER = 20
LAST_FACTOR = "This is the last second factor. Use /auth/2fa/disable to disable two-factor authentication."
_INSERT = """
INSERT INTO passkeys (id, user_id, name, rp_id, credential_id, public_key, sign_count, transports, created_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT DO NOTHING RETURNING id
"""
_DELETE = """
DELETE FROM passkeys WHERE user_id = ?1 AND id = ?2 AND (
    EXISTS (SELECT 1 FROM totp WHERE user_id = ?1 AND active_ms IS NOT NULL)
    OR EXISTS (SELECT 1 FROM passkeys p WHERE p.user_id = ?1 AND p.id <> ?2)) RETURNING id
"""


async def create(user_id: str, name: str, rp_id: str, key: StoredPasskey) -> tuple[Passkey, list[str] | None]:
    """Store a new passkey; also returns recovery codes when it is the first second factor. Raises Conflict."""
    id_ = str(uuid4())
    transports = msgspec.json.encode(key.transports).decode()
    columns = (name, rp_id, key.credential_id, key.public_key, key.sign_count, transports, clock.now_ms())
    async with db.transaction():
        await _lock(user_id)
        status = await mfa.get_status(user_id)
        if status.passkeys >= MAX_PER_USER:
            raise Conflict(f"A user can have at most {MAX_PER_USER} passkeys. Delete one first.")
        if not await db.rows(_INSERT, id_, user_id, *columns):
            raise Conflict("This passkey is already registered.")
        codes = None if status.enabled else await mfa.replace_recovery_codes(user_id)
    return await get(user_id, id_), codes


async def list_for_user(user_id: str) -> list[Passkey]:
    """Every passkey of a user, oldest first."""
    return [_passkey_of(row) for row in await _rows(user_id)]


async def get(user_id: str, passkey_id: str) -> Passkey:
    """One of a user's passkeys. Raises NoSuch."""
    found = next((passkey for passkey in await list_for_user(user_id) if passkey.id == passkey_id), None)
    if found is None:
        raise NoSuch("passkey", passkey_id)
    return found


async def list_keys(user_id: str, rp_id: str | None = None) -> list[StoredPasskey]:
    """The keys to verify a sign-in with: a user's passkeys, of one site or of all."""
    rows = [row for row in await _rows(user_id) if rp_id in {None, row["rp_id"]}]
    return [
        StoredPasskey(
            row["credential_id"], row["public_key"], row["sign_count"], msgspec.json.decode(row["transports"])
        )
        for row in rows
    ]


async def rename(user_id: str, passkey_id: str, name: str) -> Passkey:
    """Rename a passkey. Raises NoSuch."""
    await db.rows("UPDATE passkeys SET name = ?3 WHERE user_id = ?1 AND id = ?2", user_id, passkey_id, name)
    return await get(user_id, passkey_id)


async def delete(user_id: str, passkey_id: str) -> None:
    """Delete a passkey. Raises NoSuch, Conflict (the last second factor)."""
    async with db.transaction():
        await _lock(user_id)
        await get(user_id, passkey_id)
        if not await db.rows(_DELETE, user_id, passkey_id):
            raise Conflict(LAST_FACTOR)


async def record_use(key: StoredPasskey, sign_count: int) -> None:
    """Store a passkey's new sign count. Raises Unauthorized when another request used the old one first."""
    updated = await db.rows(
        "UPDATE passkeys SET sign_count = ?3, last_used_ms = ?4 WHERE credential_id = ?1 AND sign_count = ?2"
        " RETURNING id",
        key.credential_id,
        key.sign_count,
        sign_count,
        clock.now_ms(),
    )
    if not updated:
        raise Unauthorized(PASSKEY_NOT_VERIFIED)


async def _lock(user_id: str) -> None:
    """Serialize changes of a user's credentials. Only inside `db.transaction`."""
    if not db.is_sqlite():
        await db.rows("SELECT id FROM users WHERE id = ?1 FOR UPDATE", user_id)


async def _rows(user_id: str) -> Any:
    return await db.rows("SELECT * FROM passkeys WHERE user_id = ?1 ORDER BY created_ms, id", user_id)


def _passkey_of(row: Any) -> Passkey:
    return Passkey(
        id=row["id"],
        name=row["name"],
        site=row["rp_id"],
        transports=msgspec.json.decode(row["transports"]),
        created_at=clock.instant(row["created_ms"]),
        last_used_at=row["last_used_ms"] and clock.instant(row["last_used_ms"]),
    )
