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
from schema.login_attempts import Proof, Way
from schema.status import Role

KEPT_S = 60.0
LOGIN_MOST, PASSWORD_MOST = 254, 256  # characters, as in `schema.users.Login`: what is longer is nobody's
MOST = 10_000  # passwords; beyond it all are forgotten, which costs one argon2 each
UNREADABLE = "`Authorization: Basic` needs the base64 of `user:password`."
TWO_STEPS = "This account has a second factor, which Basic can't ask for: use an API key."
WRONG = "The user name, e-mail address or password is wrong."

_right: dict[bytes, float] = {}


class Known(Struct, frozen=True, kw_only=True):
    """What is known of a user who signs in by password with every request."""

    user_id: str
    username: str
    role: Role
    active: bool
    password_hash: str
    has_second_factor: bool
    tags: frozenset[str] | None = None


def read(value: str) -> tuple[str, str]:
    """(login, password) as RFC 7617 packs them. Raises Unauthorized."""
    try:
        login, colon, password = b64decode(value, validate=True).decode().partition(":")
    except ValueError as error:  # no ASCII, no base64, or no UTF-8 in it
        raise Unauthorized(UNREADABLE) from error
    if not (colon and len(login) <= LOGIN_MOST and len(password) <= PASSWORD_MOST and is_storable(login)):
        raise Unauthorized(UNREADABLE)
    return login, password


async def check(known: Known | None, login: str, password: str, address: str) -> Known:
    """The user, when this is their password and all that is asked for.

    login      what the client calls itself     address    the client's
    raises     Unauthorized, after the same time for somebody unknown; LockedOut
    """
    stored = known.password_hash if known and known.active else None
    mark = _mark(known, password) if known else b""
    if not (stored and _right.get(mark, 0.0) > monotonic()):
        await _prove(stored, login, password, address)
        if len(_right) >= MOST:
            _right.clear()
        _right[mark] = monotonic() + KEPT_S
    sure = _sure(known)
    if sure.has_second_factor:
        raise Unauthorized(TWO_STEPS)
    return sure


async def _prove(stored: str | None, login: str, password: str, address: str) -> None:
    guess = (Proof.PASSWORD, address, login)
    await brute_force.refuse_if_locked(*guess, way=Way.BASIC)
    if not await passwords.matches(password, stored):
        await brute_force.failed(*guess, way=Way.BASIC)
        raise Unauthorized(WRONG)
    await brute_force.succeeded(*guess)


def proof_of(known: Known) -> str:
    """Changes with the password: for sockets that outlive their sign-in."""
    return _keyed([known.user_id, known.password_hash]).hex()


def _sure(known: Known | None) -> Known:
    if known is None:
        raise Unauthorized(WRONG)
    return known


def _mark(known: Known, password: str) -> bytes:
    return _keyed([known.user_id, known.password_hash, password])


def _keyed(parts: list[str]) -> bytes:
    return hmac.new(sealing.derived("basic"), json.encode(parts), sha256).digest()
