"""What a session shows at the door: the access token (JWT), the refresh token, the cookie and its CSRF token.

All four are signed with keys derived from the installation's secret and name the session (`sid`); whether the
session still holds is the store's to say.
"""

import hmac
import secrets
from hashlib import sha256

import jwt

from app.errors import Unauthorized
from app.security import sealing

ACCESS_S = 900  # a stolen access token is of use for a quarter of an hour
REFRESH_S = 30 * 86_400  # people come back within a month
ALGORITHM = "HS256"
EXPIRED, BAD = "The token has expired.", "The token is not valid."


def _key_id() -> str:
    """Names the signing key in a token's header, so that keys can be changed one day."""
    return sha256(sealing.derived("jwt")).hexdigest()[:12]


def access(user_id: str, sid: str, now_s: int) -> str:
    """A JWT for the `Authorization` header; lives ACCESS_S."""
    claims = {"sub": user_id, "sid": sid, "typ": "access", "iat": now_s, "exp": now_s + ACCESS_S}
    return jwt.encode(
        claims | {"jti": secrets.token_hex(8)}, sealing.derived("jwt"), ALGORITHM, headers={"kid": _key_id()}
    )


def sid_of_access(token: str) -> str:
    """The session an access token belongs to; raises Unauthorized."""
    try:
        if jwt.get_unverified_header(token).get("kid") != _key_id():
            raise Unauthorized(BAD)
        claims = jwt.decode(
            token, sealing.derived("jwt"), [ALGORITHM], options={"require": ["exp", "sub", "sid"], "verify_iat": False}
        )
    except jwt.ExpiredSignatureError as error:
        raise Unauthorized(EXPIRED) from error
    except jwt.InvalidTokenError as error:
        raise Unauthorized(BAD) from error
    if claims.get("typ") != "access":
        raise Unauthorized(BAD)
    return str(claims["sid"])


def refresh(sid: str) -> str:
    """A new refresh token: session, chance, signature."""
    return _signed("refresh", f"{sid}.{secrets.token_urlsafe(24)}")


def sid_of_refresh(token: str) -> str:
    """The session a refresh token was made for by us, used or not; raises Unauthorized."""
    return _opened("refresh", token).partition(".")[0]


def hash_of(token: str) -> str:
    """What is stored of a refresh token: it has 192 bits of chance, so a fast hash is enough."""
    return sha256(token.encode()).hexdigest()


def cookie(sid: str) -> str:
    """The value of the cookie `session_id`."""
    return _signed("cookie", sid)


def sid_of_cookie(value: str) -> str:
    """The session of a cookie; raises Unauthorized."""
    return _opened("cookie", value)


def csrf(sid: str) -> str:
    """What a page must repeat in `X-CSRF-Token`; bound to the session."""
    return _signature("csrf", sid)


def is_csrf(sid: str, value: str) -> bool:
    """Whether the header repeats the session's CSRF token."""
    return _is_same(csrf(sid), value)


def _signature(purpose: str, text: str) -> str:
    return hmac.new(sealing.derived(purpose), text.encode(), sha256).hexdigest()[:43]


def _signed(purpose: str, text: str) -> str:
    return f"{text}.{_signature(purpose, text)}"


def _opened(purpose: str, token: str) -> str:
    text, _, signature = token.rpartition(".")
    if not text or not _is_same(_signature(purpose, text), signature):
        raise Unauthorized(BAD)
    return text


def _is_same(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode(), theirs.encode())
