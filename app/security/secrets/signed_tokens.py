"""Short-lived signed tokens that a client carries between two of our requests. Each kind has a key of its own.

Such a token is no credential: `principals` accepts nothing signed with these keys.
"""

from time import time
from typing import Any

import jwt

from app.errors import Unauthorized
from app.security.secrets import sealing

ALGORITHM = "HS256"
MFA_TOKEN_KIND = "mfa-token"  # noqa: S105  # between the two steps of a login
TOKEN_INVALID = "The token is not valid, or too old: begin again."  # noqa: S105  # a sentence


def issue_token(kind: str, lifetime_s: int, **claims: Any) -> str:
    """A token of this kind with these claims."""
    return jwt.encode(claims | {"exp": int(time()) + lifetime_s}, _key(kind), ALGORITHM)


def read_token(kind: str, token: str) -> dict[str, Any]:
    """The claims of a token of this kind. Raises Unauthorized."""
    try:
        return jwt.decode(token, _key(kind), [ALGORITHM], options={"require": ["exp"]})
    except jwt.InvalidTokenError as error:
        raise Unauthorized(TOKEN_INVALID) from error


def _key(kind: str) -> bytes:
    return sealing.derive_key(f"signed-token:{kind}")
