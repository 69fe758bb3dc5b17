"""Tickets: short-lived signed words to ourselves that a client carries. Each kind has a key of its own.

A ticket opens nothing by itself: no credential that `principals` knows is signed with these keys.
"""

from time import time
from typing import Any

import jwt

from app.errors import Unauthorized
from app.security.secrets import sealing

ALGORITHM = "HS256"
MFA_TOKEN_KIND = "second-step"  # noqa: S105  # between the two steps of a login
TOKEN_INVALID = "The ticket is not valid, or too old: begin again."  # noqa: S105  # a sentence


def issue_token(kind: str, lifetime_s: int, **claims: Any) -> str:
    """A ticket of that kind."""
    return jwt.encode(claims | {"exp": int(time()) + lifetime_s}, _key(kind), ALGORITHM)


def read_token(kind: str, token: str) -> dict[str, Any]:
    """What a ticket of that kind says; raises Unauthorized."""
    try:
        return jwt.decode(token, _key(kind), [ALGORITHM], options={"require": ["exp"]})
    except jwt.InvalidTokenError as error:
        raise Unauthorized(TOKEN_INVALID) from error


def _key(kind: str) -> bytes:
    return sealing.derive_key(f"ticket:{kind}")
