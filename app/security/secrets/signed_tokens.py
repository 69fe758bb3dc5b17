"""Tickets: short-lived signed words to ourselves that a client carries. Each kind has a key of its own.

A ticket opens nothing by itself: no credential that `principals` knows is signed with these keys.
"""

from time import time
from typing import Any

import jwt

from app.errors import Unauthorized
from app.security.secrets import sealing

ALGORITHM = "HS256"
BAD = "The ticket is not valid, or too old: begin again."


def issue(kind: str, lives_s: int, **claims: Any) -> str:
    """A ticket of that kind."""
    return jwt.encode(claims | {"exp": int(time()) + lives_s}, _key(kind), ALGORITHM)


def opened(kind: str, ticket: str) -> dict[str, Any]:
    """What a ticket of that kind says; raises Unauthorized."""
    try:
        return jwt.decode(ticket, _key(kind), [ALGORITHM], options={"require": ["exp"]})
    except jwt.InvalidTokenError as error:
        raise Unauthorized(BAD) from error


def _key(kind: str) -> bytes:
    return sealing.derived(f"ticket:{kind}")
