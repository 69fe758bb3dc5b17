"""Roles, names and addresses from a provider's claims."""

from typing import Any

import pytest

from app.domain.identity.oidc_claims import role_from_claims, user_from_claims, username_from
from schema.status import Role

BASE = {"iss": "https://login.example.org", "sub": "7"}


@pytest.mark.parametrize(
    ("claims", "path", "role"),
    [
        ({"roles": ["boss"]}, "roles", Role.ADMIN),
        ({"roles": "boss"}, "roles", Role.ADMIN),
        ({"roles": ["help", "boss"]}, "roles", Role.ADMIN),
        ({"roles": ["help"]}, "roles", Role.OPERATOR),
        ({"roles": ["Boss"]}, "roles", Role.VIEWER),
        ({"roles": [7, None]}, "roles", Role.VIEWER),
        ({}, "roles", Role.VIEWER),
        ({"realm_access": {"roles": ["boss"]}}, "realm_access.roles", Role.ADMIN),
        ({"https://example.org/roles": ["boss"]}, "https://example.org/roles", Role.ADMIN),
        ({"realm_access": "boss"}, "realm_access.roles", Role.VIEWER),
    ],
)
def test_the_highest_role_that_a_claim_gives_counts(claims: dict[str, Any], path: str, role: Role) -> None:
    assert role_from_claims(claims, path, ("boss",), ("help",)) is role


def test_claims_without_a_role_mapping_give_no_role() -> None:
    assert role_from_claims({"roles": ["boss"]}, "roles", (), ()) is None


@pytest.mark.parametrize(
    ("email_verified", "verified"), [(True, True), (False, False), ("true", False), (1, False), (None, False)]
)
def test_an_address_is_verified_when_the_provider_states_it(email_verified: Any, *, verified: bool) -> None:
    found = user_from_claims({**BASE, "email": "Ada@Example.org", "email_verified": email_verified}, None)
    assert (found.email, found.email_verified) == ("ada@example.org", verified)


@pytest.mark.parametrize("email", [None, 7, "", "ada", "a b@example.org", "a" * 250 + "@example.org"])
def test_invalid_email_addresses_are_ignored(email: Any) -> None:
    found = user_from_claims({**BASE, "email": email, "email_verified": True}, None)
    assert (found.email, found.email_verified) == ("", False)


@pytest.mark.parametrize(
    ("claim", "name"),
    [("Ada L", "ada_l"), ("ada@example.org", "ada"), ("a:/b", "a_b"), ("@", "user"), ("x" * 99, "x" * 50)],
)
def test_user_names_are_made_from_the_provider_s_claims(claim: str, name: str) -> None:
    assert username_from(claim) == name
