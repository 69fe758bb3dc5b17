"""`Authorization: Basic`: reads what was sent, and knows for a minute which passwords were right.

A password costs 50 ms of argon2. Who asks every second should not pay that every second: what was right is remembered
under a keyed hash of user, password and *stored* hash, so that a new password makes the memory worthless at once.
Wrong ones are never remembered.
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
MAX_LOGIN_LENGTH, MAX_PASSWORD_LENGTH = 254, 256  # characters, as in `schema.users.Login`: what is longer is nobody's
MAX_CACHED = 10_000  # passwords; beyond it all are forgotten, which costs one argon2 each
MALFORMED = "`Authorization: Basic` needs the base64 of `user:password`."
NEEDS_SECOND_FACTOR = "This account has a second factor, which Basic can't ask for: use an API key."
WRONG_CREDENTIALS = "The user name, e-mail address or password is wrong."

_verified_until: dict[bytes, float] = {}


class BasicAuthUser(Struct, frozen=True, kw_only=True):
    """What is known of a user who signs in by password with every request."""

    user_id: str
    username: str
    role: Role
    active: bool
    password_hash: str
    has_second_factor: bool
    tags: frozenset[str] | None = None


def parse_credentials(value: str) -> tuple[str, str]:
    """(login, password) as RFC 7617 packs them. Raises Unauthorized."""
    try:
        login, colon, password = b64decode(value, validate=True).decode().partition(":")
    except ValueError as error:  # no ASCII, no base64, or no UTF-8 in it
        raise Unauthorized(MALFORMED) from error
    if not (colon and len(login) <= MAX_LOGIN_LENGTH and len(password) <= MAX_PASSWORD_LENGTH and is_storable(login)):
        raise Unauthorized(MALFORMED)
    return login, password


async def authenticate(user: BasicAuthUser | None, login: str, password: str, address: str) -> BasicAuthUser:
    """The user, when this is their password and all that is asked for.

    login      what the client calls itself     address    the client's
    raises     Unauthorized, after the same time for somebody unknown; LockedOut
    """
    stored = user.password_hash if user and user.active else None
    mark = _cache_key(user, password) if user else b""
    if not (stored and _verified_until.get(mark, 0.0) > monotonic()):
        await _verify_password(stored, login, password, address)
        if len(_verified_until) >= MAX_CACHED:
            _verified_until.clear()
        _verified_until[mark] = monotonic() + CACHE_S
    sure = _require_user(user)
    if sure.has_second_factor:
        raise Unauthorized(NEEDS_SECOND_FACTOR)
    return sure


async def _verify_password(stored: str | None, login: str, password: str, address: str) -> None:
    guess = (CredentialKind.PASSWORD, address, login)
    await brute_force.refuse_if_locked(*guess, method=AuthMethod.BASIC)
    if not await passwords.matches(password, stored):
        await brute_force.record_failure(*guess, method=AuthMethod.BASIC)
        raise Unauthorized(WRONG_CREDENTIALS)
    await brute_force.record_success(*guess)


def credential_fingerprint(user: BasicAuthUser) -> str:
    """Changes with the password: for sockets that outlive their sign-in."""
    return _keyed_hash([user.user_id, user.password_hash]).hex()


def _require_user(known: BasicAuthUser | None) -> BasicAuthUser:
    if known is None:
        raise Unauthorized(WRONG_CREDENTIALS)
    return known


def _cache_key(known: BasicAuthUser, password: str) -> bytes:
    return _keyed_hash([known.user_id, known.password_hash, password])


def _keyed_hash(parts: list[str]) -> bytes:
    return hmac.new(sealing.derive_key("basic"), json.encode(parts), sha256).digest()
