"""Maps a provider's OpenID claims to a user and a role. Pure.

A claim is named by its path: `roles`, or `realm_access.roles` for a nested one.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from msgspec import Struct

from schema.status import Role

NAME_SEPARATORS = re.compile(r"[\s@:/]+")
EMAIL_PATTERN = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+|[^\s@]+@localhost")  # as schema.users has it
MAX_EMAIL_CHARS = 254  # RFC 5321


class OidcUser(Struct, frozen=True, kw_only=True):
    """A user as the provider describes it.

    email           empty when the provider sends none
    email_verified  whether the provider has verified the address
    role            None: the provider does not decide on it
    """

    issuer: str
    subject: str
    email: str
    email_verified: bool
    username: str
    role: Role | None


def user_from_claims(claims: Mapping[str, Any], role: Role | None) -> OidcUser:
    """The user of a verified ID token, which has `iss` and `sub`."""
    email = claims.get("email")
    if not isinstance(email, str) or len(email) > MAX_EMAIL_CHARS or not EMAIL_PATTERN.fullmatch(email):
        email = ""
    name = claims.get("preferred_username")
    return OidcUser(
        issuer=str(claims["iss"]),
        subject=str(claims["sub"]),
        email=email.lower(),
        email_verified=bool(email) and claims.get("email_verified") is True,
        username=username_from(name if isinstance(name, str) and name else email),
        role=role,
    )


def username_from(text: str) -> str:
    """A user name from the provider's name or address: the part before the @."""
    return NAME_SEPARATORS.sub("_", text.lower().partition("@")[0]).strip("_")[:50] or "user"


def role_from_claims(
    claims: Mapping[str, Any], path: str, admins: Collection[str], operators: Collection[str]
) -> Role | None:
    """The role that a claim gives, at least viewer; None when no values are configured."""
    if not admins and not operators:
        return None
    values = set(_claim_values(claims, path))
    if values & set(admins):
        return Role.ADMIN
    return Role.OPERATOR if values & set(operators) else Role.VIEWER


def has_claim(claims: Mapping[str, Any], path: str) -> bool:
    """Whether the claim is present."""
    return bool(_claim_values(claims, path))


def _claim_values(claims: Mapping[str, Any], path: str) -> list[str]:
    if path in claims:  # some providers use URLs as names, which have dots
        value: Any = claims[path]
    else:
        value = claims
        for step in path.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
