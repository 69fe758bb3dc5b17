"""What a provider's claims mean here. Pure.

A claim is named by its path: `roles`, or `realm_access.roles` for one inside of another.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from msgspec import Struct

from schema.status import Role

NOT_IN_NAMES = re.compile(r"[\s@:/]+")
ADDRESS = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+|[^\s@]+@localhost")  # as schema.users has it


class Person(Struct, frozen=True, kw_only=True):
    """Somebody whom a provider vouches for.

    email       empty when the provider tells none
    verified    whether the provider says that the address is theirs
    role        None: the provider has no say in it
    """

    issuer: str
    subject: str
    email: str
    verified: bool
    username: str
    role: Role | None


def person(claims: Mapping[str, Any], role: Role | None) -> Person:
    """Who the claims speak of. Those of a verified ID token: `iss` and `sub` are there."""
    told = claims.get("email")
    email = told.lower() if isinstance(told, str) and len(told) <= 254 and ADDRESS.fullmatch(told) else ""  # noqa: PLR2004  # RFC 5321
    name = claims.get("preferred_username")
    return Person(
        issuer=str(claims["iss"]),
        subject=str(claims["sub"]),
        email=email,
        verified=bool(email) and claims.get("email_verified") is True,
        username=username_of(name if isinstance(name, str) and name else email),
        role=role,
    )


def username_of(text: str) -> str:
    """A user name made of what a provider calls somebody: of an address, the part before the @."""
    return NOT_IN_NAMES.sub("_", text.lower().partition("@")[0]).strip("_")[:50] or "user"


def role_of(claims: Mapping[str, Any], path: str, admins: Collection[str], operators: Collection[str]) -> Role | None:
    """The role that a claim gives; a viewer where it gives none; None when no value of it is known to mean a role."""
    if not admins and not operators:
        return None
    found = set(_values(claims, path))
    if found & set(admins):
        return Role.ADMIN
    return Role.OPERATOR if found & set(operators) else Role.VIEWER


def has(claims: Mapping[str, Any], path: str) -> bool:
    """Whether the claim is there."""
    return bool(_values(claims, path))


def _values(claims: Mapping[str, Any], path: str) -> list[str]:
    if path in claims:  # names with dots in them are addresses, as some providers have them
        found: Any = claims[path]
    else:
        found = claims
        for step in path.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
    return [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, str)]
