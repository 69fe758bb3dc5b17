"""Passkeys of users. Only `mfa.disable`, which needs the password, removes the last second factor."""

from uuid import uuid4

import msgspec
from msgspec import Struct

from app import clock, db
from app.errors import Conflict, NoSuch, Unauthorized
from app.security.auth.relying_party import PASSKEY_NOT_VERIFIED, StoredPasskey
from app.store.identity import mfa
from app.store.tables.mfa import PasskeyRow
from app.store.tables.users import UserRow
from schema.passkeys import Passkey

MAX_PER_USER = 20
LAST_FACTOR = "This is the last second factor. Use /auth/2fa/disable to disable two-factor authentication."


class PasskeyRecord(Struct, frozen=True):
    """A stored passkey; `transports` is JSON."""

    id: str
    name: str
    rp_id: str
    credential_id: str
    public_key: str
    sign_count: int
    transports: str
    created_ms: int
    last_used_ms: int | None


async def create(user_id: str, name: str, rp_id: str, key: StoredPasskey) -> tuple[Passkey, list[str] | None]:
    """Store a new passkey; also returns recovery codes when it is the first second factor. Raises Conflict."""
    row = PasskeyRow(
        id=str(uuid4()), user_id=user_id, name=name, rp_id=rp_id, credential_id=key.credential_id,
        public_key=key.public_key, sign_count=key.sign_count, transports=msgspec.json.encode(key.transports).decode(),
        created_ms=clock.now_ms(),
    )  # fmt: skip
    async with db.transaction():
        await _lock(user_id)
        status = await mfa.get_status(user_id)
        if status.passkeys >= MAX_PER_USER:
            raise Conflict(f"A user can have at most {MAX_PER_USER} passkeys. Delete one first.")
        if not await PasskeyRow.insert(row).on_conflict(action="DO NOTHING"):
            raise Conflict("This passkey is already registered.")
        codes = None if status.enabled else await mfa.replace_recovery_codes(user_id)
    return await get(user_id, row.id), codes


async def list_for_user(user_id: str) -> list[Passkey]:
    """Every passkey of a user, oldest first."""
    return [_passkey_of(record) for record in await _load(user_id)]


async def get(user_id: str, passkey_id: str) -> Passkey:
    """One of a user's passkeys. Raises NoSuch."""
    found = next((passkey for passkey in await list_for_user(user_id) if passkey.id == passkey_id), None)
    if found is None:
        raise NoSuch("passkey", passkey_id)
    return found


async def list_keys(user_id: str, rp_id: str | None = None) -> list[StoredPasskey]:
    """The keys to verify a sign-in with: a user's passkeys, of one site or of all."""
    return [
        StoredPasskey(one.credential_id, one.public_key, one.sign_count, msgspec.json.decode(one.transports))
        for one in await _load(user_id)
        if rp_id in {None, one.rp_id}
    ]


async def rename(user_id: str, passkey_id: str, name: str) -> Passkey:
    """Rename a passkey. Raises NoSuch."""
    is_passkey = (PasskeyRow.user_id == user_id) & (PasskeyRow.id == passkey_id)
    await PasskeyRow.update({PasskeyRow.name: name}).where(is_passkey)
    return await get(user_id, passkey_id)


async def delete(user_id: str, passkey_id: str) -> str:
    """Delete a passkey; returns its name. Raises NoSuch, Conflict (the last second factor)."""
    async with db.transaction():
        await _lock(user_id)
        old = await get(user_id, passkey_id)
        status = await mfa.get_status(user_id)
        if not status.totp and status.passkeys == 1:
            raise Conflict(LAST_FACTOR)
        await PasskeyRow.delete().where((PasskeyRow.user_id == user_id) & (PasskeyRow.id == passkey_id))
    return old.name


async def record_use(key: StoredPasskey, sign_count: int) -> None:
    """Store a passkey's new sign count. Raises Unauthorized when another request used the old one first."""
    is_unchanged = (PasskeyRow.credential_id == key.credential_id) & (PasskeyRow.sign_count == key.sign_count)
    update = PasskeyRow.update({PasskeyRow.sign_count: sign_count, PasskeyRow.last_used_ms: clock.now_ms()})
    if not await update.where(is_unchanged).returning(PasskeyRow.id):
        raise Unauthorized(PASSKEY_NOT_VERIFIED)


async def _lock(user_id: str) -> None:
    """Serialize changes of a user's credentials. Only inside `db.transaction`."""
    if not db.is_sqlite():
        await UserRow.select(UserRow.id).where(UserRow.id == user_id).lock_rows()


async def _load(user_id: str) -> list[PasskeyRecord]:
    query = PasskeyRow.select().where(PasskeyRow.user_id == user_id).order_by(PasskeyRow.created_ms, PasskeyRow.id)
    return msgspec.convert(await query, list[PasskeyRecord])


def _passkey_of(record: PasskeyRecord) -> Passkey:
    return Passkey(
        id=record.id,
        name=record.name,
        site=record.rp_id,
        transports=msgspec.json.decode(record.transports),
        created_at=clock.instant(record.created_ms),
        last_used_at=clock.instant(record.last_used_ms) if record.last_used_ms else None,
    )
