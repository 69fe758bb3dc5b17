"""`Authorization: Basic`: parses the header, verifies the password, and caches verified passwords for a minute.

Verifying a password takes 50 ms of argon2, too much for a client that sends one with every request. The cache key is a
keyed hash of user, password and *stored* hash, so a changed password invalidates the entry at once. Wrong passwords are
never cached.
"""

import hmac
from base64 import b64decode
from hashlib import sha256
from time import monotonic

from msgspec import Struct, json

from app.domain.validation.structs import is_storable
from app.errors import Unauthorized
from app.security.credentials import passwords
from app.security.limits import brute_force
from app.security.secrets import sealing
from schema.login_attempts import AuthMethod, CredentialKind
from schema.status import Role

CACHE_S = 60.0
MAX_LOGIN_LENGTH, MAX_PASSWORD_LENGTH = 254, 256  # characters, as in `schema.users.Login`
MAX_CACHED = 10_000  # passwords; beyond it the cache is cleared, which costs one argon2 each
MALFORMED = "`Authorization: Basic` needs the base64 of `user:password`."
NEEDS_SECOND_FACTOR = "This account has a second factor, so Basic can't sign it in. Use an API key."
WRONG_CREDENTIALS = "The user name, e-mail address or password is wrong."

_verified_until: dict[bytes, float] = {}


class BasicAuthUser(Struct, frozen=True, kw_only=True):
    """A user who signs in by password with every request, as stored."""

    user_id: str
    username: str
    role: Role
    active: bool
    password_hash: str
    has_second_factor: bool
    tags: frozenset[str] | None = None


def parse_credentials(value: str) -> tuple[str, str]:
    """(login, password) from the header's value (RFC 7617). Raises Unauthorized."""
    try:
        login, colon, password = b64decode(value, validate=True).decode().partition(":")
    except ValueError as error:  # not ASCII, not base64, or not UTF-8 inside
        raise Unauthorized(MALFORMED) from error
    if not (colon and len(login) <= MAX_LOGIN_LENGTH and len(password) <= MAX_PASSWORD_LENGTH and is_storable(login)):
        raise Unauthorized(MALFORMED)
    return login, password


async def authenticate(user: BasicAuthUser | None, login: str, password: str, address: str) -> BasicAuthUser:
    """The user, if this is their password and they have no second factor.

    user       None if the login is unknown
    login      as the client sent it
    address    the client's IP address
    raises     Unauthorized, after the same time for an unknown login; LockedOut
    """
    stored = user.password_hash if user and user.active else None
    cache_key = _cache_key(user, password) if user else b""
    if not (stored and _verified_until.get(cache_key, 0.0) > monotonic()):
        await _verify_password(stored, login, password, address)
        if len(_verified_until) >= MAX_CACHED:
            _verified_until.clear()
        _verified_until[cache_key] = monotonic() + CACHE_S
    if user is None:
        raise Unauthorized(WRONG_CREDENTIALS)
    if user.has_second_factor:
        raise Unauthorized(NEEDS_SECOND_FACTOR)
    return user


async def _verify_password(stored: str | None, login: str, password: str, address: str) -> None:
    attempt = (CredentialKind.PASSWORD, address, login)
    await brute_force.refuse_if_locked(*attempt, method=AuthMethod.BASIC)
    if not await passwords.matches(password, stored):
        await brute_force.record_failure(*attempt, method=AuthMethod.BASIC)
        raise Unauthorized(WRONG_CREDENTIALS)
    await brute_force.record_success(*attempt)


def credential_fingerprint(user: BasicAuthUser) -> str:
    """Changes with the password, so that a long-lived socket notices it."""
    return _keyed_hash([user.user_id, user.password_hash]).hex()


def _cache_key(user: BasicAuthUser, password: str) -> bytes:
    return _keyed_hash([user.user_id, user.password_hash, password])


def _keyed_hash(parts: list[str]) -> bytes:
    return hmac.new(sealing.derive_key("basic"), json.encode(parts), sha256).digest()
