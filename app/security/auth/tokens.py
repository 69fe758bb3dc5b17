"""Creates and verifies a session's credentials: access token (JWT), refresh token, cookie and CSRF token.

All four are signed with keys of `app.security.auth.keyring` and carry the session's id (`sid`). Whether the session
still exists is checked in the store.
"""

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256

import jwt

from app.errors import Unauthorized
from app.security.auth import keyring
from app.security.auth.keyring import SigningKey

ACCESS_LIFETIME_S = 900  # a stolen access token is useful for a quarter of an hour
REFRESH_LIFETIME_S = 30 * 86_400  # a user who returns within a month stays signed in
RANDOM_BYTES = 24  # of a refresh token: 192 bits
ALGORITHM = "HS256"
TOKEN_EXPIRED, TOKEN_INVALID = "The token has expired.", "The token is not valid."


class ForgedToken(Unauthorized):
    """A token or cookie that we did not sign."""


def access_token(user_id: str, sid: str, now_s: int) -> str:
    """A JWT for the `Authorization` header, valid for ACCESS_LIFETIME_S."""
    claims = {"sub": user_id, "sid": sid, "typ": "access", "iat": now_s, "exp": now_s + ACCESS_LIFETIME_S}
    key = keyring.current_key()
    return jwt.encode(claims | {"jti": secrets.token_hex(8)}, key.derive("jwt"), ALGORITHM, headers={"kid": key.id})


def sid_of_access(token: str) -> str:
    """The session id of an access token. Raises Unauthorized."""
    try:
        key = _key_named(jwt.get_unverified_header(token).get("kid"))
        claims = jwt.decode(
            token, key.derive("jwt"), [ALGORITHM], options={"require": ["exp", "sub", "sid"], "verify_iat": False}
        )
    except jwt.ExpiredSignatureError as error:
        raise Unauthorized(TOKEN_EXPIRED) from error
    except jwt.InvalidTokenError as error:
        raise ForgedToken(TOKEN_INVALID) from error
    if claims.get("typ") != "access":
        raise ForgedToken(TOKEN_INVALID)
    return str(claims["sid"])


def _key_named(key_id: object) -> SigningKey:
    """The key named in a token's header. Raises ForgedToken if no such key is valid."""
    for key in keyring.verification_keys(ACCESS_LIFETIME_S):
        if key.id == key_id:
            return key
    raise ForgedToken(TOKEN_INVALID)


def refresh_token(sid: str) -> str:
    """The first refresh token of a session: session id, random part, signature."""
    return _signed("refresh", f"{sid}.{secrets.token_urlsafe(RANDOM_BYTES)}")


def successor_of(used: str) -> str:
    """The refresh token that replaces a used one.

    It is derived from the used one and our signing key: the same request gets the same token again while nothing but
    hashes is stored, and nobody without the key can compute it.
    """
    return _successor(keyring.current_key(), used)


def possible_successors(used: str) -> Iterator[str]:
    """What `successor_of` may have returned earlier: one token for each key that is still valid, newest first."""
    return (_successor(key, used) for key in keyring.verification_keys(REFRESH_LIFETIME_S))


def _successor(key: SigningKey, used: str) -> str:
    digest = hmac.digest(key.derive("refresh successor"), used.encode(), "sha256")
    return _signed("refresh", f"{sid_of_refresh(used)}.{urlsafe_b64encode(digest[:RANDOM_BYTES]).decode()}", key)


def sid_of_refresh(token: str) -> str:
    """The session id of a refresh token, used or not. Raises Unauthorized."""
    return _verified_text("refresh", token).partition(".")[0]


def token_hash(token: str) -> str:
    """The stored hash of a refresh token. A fast hash is enough for 192 random bits."""
    return sha256(token.encode()).hexdigest()


def session_cookie(sid: str) -> str:
    """The value of the cookie `session_id`."""
    return _signed("cookie", sid)


def sid_of_cookie(value: str) -> str:
    """The session id of a cookie. Raises Unauthorized."""
    return _verified_text("cookie", value)


def csrf_token(sid: str) -> str:
    """The token a page must send in `X-CSRF-Token`; bound to the session."""
    return _signature(keyring.current_key(), "csrf", sid)


def is_csrf_token(sid: str, value: str) -> bool:
    """Whether this is the session's CSRF token."""
    return _is_signed("csrf", sid, value)


def _signature(key: SigningKey, purpose: str, text: str) -> str:
    return hmac.new(key.derive(purpose), text.encode(), sha256).hexdigest()[:43]


def _signed(purpose: str, text: str, key: SigningKey | None = None) -> str:
    return f"{text}.{_signature(key or keyring.current_key(), purpose, text)}"


def _verified_text(purpose: str, token: str) -> str:
    text, _, signature = token.rpartition(".")
    if not text or not _is_signed(purpose, text, signature):
        raise ForgedToken(TOKEN_INVALID)
    return text


def _is_signed(purpose: str, text: str, signature: str) -> bool:
    """Whether any key that is still valid for a session made this signature. Compares with all, in constant time."""
    matches = [
        hmac.compare_digest(_signature(key, purpose, text).encode(), signature.encode())
        for key in keyring.verification_keys(REFRESH_LIFETIME_S)
    ]
    return any(matches)
