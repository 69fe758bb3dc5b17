"""Recovery by an operator with access to the machine: of a locked-out admin, and of leaked signing keys."""

import secrets

from app import db
from app.errors import NoSuch
from app.security.credentials import passwords
from app.security.secrets import sealing
from app.settings import Settings, with_secret_key
from app.store.identity import mfa, signing_keys, user_admin, users
from schema.status import Role
from schema.user_admin import ApiKeyAction, UserPatch

PASSWORD_BYTES = 15  # 120 bits in 20 characters


async def recover_admin(settings: Settings, login: str) -> tuple[str, str, int]:
    """Make a user an active admin with a new password and without second factors.

    The user's sessions end, and the API keys are deactivated, since an attacker may have created them.

    login    e-mail address or user name
    returns  user name, password, and how many API keys were deactivated
    raises   NoSuch
    """
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    await db.start(settings, connections=2)
    try:
        account = await users.find_by_login(login)
        if account is None:
            raise NoSuch("user", login)
        await user_admin.update(account.id, UserPatch(role=Role.ADMIN, active=True))
        password_hash = await passwords.hash_password(password)
        revoked = await user_admin.set_password(account.id, password_hash, key_action=ApiKeyAction.REVOKE)
        await mfa.disable(account.id)
    finally:
        await db.stop()
    return account.username, password, revoked


async def rotate_signing_key(settings: Settings) -> str:
    """Create a signing key; returns its id. Running processes use it within seconds; no session ends."""
    sealing.prepare(with_secret_key(settings))
    await db.start(settings, connections=2)
    try:
        return await signing_keys.rotate()
    finally:
        await db.stop()
