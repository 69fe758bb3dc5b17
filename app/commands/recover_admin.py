"""Commands for who has the machine but not the door: a lost admin, and keys that somebody may have seen."""

import secrets

from app import db, settings as configuration
from app.errors import NoSuch
from app.security.credentials import passwords
from app.security.secrets import sealing
from app.settings import Settings
from app.store.identity import mfa, signing_keys, user_admin, users
from schema.status import Role
from schema.user_admin import ApiKeyAction, UserPatch

PASSWORD_BYTES = 15  # 120 bits in 20 characters


async def recover_admin(settings: Settings, login: str) -> tuple[str, str, int]:
    """Let a user in again, as an admin with a new password and no second factor.

    Their sessions end, and their API keys are switched off: somebody else may have made them.

    returns  user name, password, and how many keys there were

    login    e-mail address or user name
    raises   NoSuch
    """
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    await db.start(settings, connections=2)
    try:
        account = await users.find_by_login(login)
        if account is None:
            raise NoSuch("user", login)
        await user_admin.update(account.id, UserPatch(role=Role.ADMIN, active=True))
        hashed = await passwords.hash_password(password)
        revoked = await user_admin.set_password(account.id, hashed, key_action=ApiKeyAction.REVOKE)
        await mfa.disable(account.id)
    finally:
        await db.stop()
    return account.username, password, revoked


async def rotate_signing_key(settings: Settings) -> str:
    """Make a new signing key; returns its id. Running processes sign with it within seconds, nobody is signed out."""
    sealing.prepare(configuration.with_secret_key(settings))
    await db.start(settings, connections=2)
    try:
        return await signing_keys.rotate()
    finally:
        await db.stop()
