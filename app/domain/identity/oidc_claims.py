"""What a provider's claims mean here. Pure.

A claim is named by its path: `roles`, or `realm_access.roles` for one inside of another.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from msgspec import Struct

from schema.status import Role

NAME_SEPARATORS = re.compile(r"[\s@:/]+")
EMAIL_PATTERN = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+|[^\s@]+@localhost")  # as schema.users has it


class OidcUser(Struct, frozen=True, kw_only=True):
    """Somebody whom a provider vouches for.

    email       empty when the provider tells none
    verified    whether the provider says that the address is theirs
    role        None: the provider has no say in it
    """

    issuer: str
    subject: str
    email: str
    email_verified: bool
    username: str
    role: Role | None


def user_from_claims(claims: Mapping[str, Any], role: Role | None) -> OidcUser:
    """Who the claims speak of. Those of a verified ID token: `iss` and `sub` are there."""
    told = claims.get("email")
    email = told.lower() if isinstance(told, str) and len(told) <= 254 and EMAIL_PATTERN.fullmatch(told) else ""  # noqa: PLR2004  # RFC 5321
    name = claims.get("preferred_username")
    return OidcUser(
        issuer=str(claims["iss"]),
        subject=str(claims["sub"]),
        email=email,
        email_verified=bool(email) and claims.get("email_verified") is True,
        username=username_from(name if isinstance(name, str) and name else email),
        role=role,
    )


def username_from(text: str) -> str:
    """A user name made of what a provider calls somebody: of an address, the part before the @."""
    return NAME_SEPARATORS.sub("_", text.lower().partition("@")[0]).strip("_")[:50] or "user"


def role_from_claims(
    claims: Mapping[str, Any], path: str, admins: Collection[str], operators: Collection[str]
) -> Role | None:
    """The role that a claim gives; a viewer where it gives none; None when no value of it is known to mean a role."""
    if not admins and not operators:
        return None
    found = set(_claim_values(claims, path))
    if found & set(admins):
        return Role.ADMIN
    return Role.OPERATOR if found & set(operators) else Role.VIEWER


def has_claim(claims: Mapping[str, Any], path: str) -> bool:
    """Whether the claim is there."""
    return bool(_claim_values(claims, path))


def _claim_values(claims: Mapping[str, Any], path: str) -> list[str]:
    if path in claims:  # names with dots in them are addresses, as some providers have them
        found: Any = claims[path]
    else:
        found = claims
        for step in path.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
    return [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, str)]
