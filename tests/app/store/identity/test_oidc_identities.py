"""Users of a provider become users here, on the configured database."""

import asyncio

import pytest

from app import db
from app.domain.identity.oidc_claims import OidcUser
from app.errors import Conflict, Forbidden
from app.security.secrets import sealing
from app.settings import Settings
from app.store.identity import mfa, oidc_identities, sessions, users
from schema.status import Role


@pytest.fixture(autouse=True)
def opened(store: Settings) -> Settings:
    sealing.prepare(store)
    sessions.clear_cache()
    return store


def oidc_user(subject: str = "7", role: Role | None = Role.ADMIN, email: str = "ada@example.org") -> OidcUser:
    return OidcUser(
        issuer="https://login.example.org", subject=subject, email=email, email_verified=True, username="ada", role=role
    )


async def admit(person: OidcUser, *, may_add: bool = True) -> str:
    return await oidc_identities.sign_in_or_create(person, may_create=may_add, spare_hash="spare")


async def role(user_id: str) -> Role:
    return (await users.get(user_id)).role


async def test_concurrent_sign_ins_of_one_person_create_one_user() -> None:
    assert len(set(await asyncio.gather(*(admit(oidc_user()) for _ in range(6))))) == 1
    assert len(await db.rows("SELECT id FROM users")) == 1


async def test_the_last_admin_stays_one_whatever_the_provider_sets() -> None:
    ada = await admit(oidc_user())
    await admit(oidc_user(role=Role.VIEWER))
    assert await role(ada) is Role.ADMIN
    await admit(oidc_user("8", email="bob@example.org"))
    await admit(oidc_user(role=Role.VIEWER))
    assert await role(ada) is Role.VIEWER


async def test_a_provider_without_a_role_leaves_the_role() -> None:
    ada = await admit(oidc_user())
    await admit(oidc_user(role=None))
    assert await role(ada) is Role.ADMIN


async def test_an_account_is_linked_to_one_person_only() -> None:
    await admit(oidc_user())
    with pytest.raises(Conflict):
        await admit(oidc_user("8"))


async def test_a_user_name_that_is_taken_is_its_own_error() -> None:
    await admit(oidc_user())
    bob = await users.get(await admit(oidc_user("8", email="bob@example.org")))
    assert bob.username.startswith("ada-")


async def test_users_are_created_only_when_configured() -> None:
    with pytest.raises(Forbidden, match="no account"):
        await admit(oidc_user(), may_add=False)
    assert not await users.any_exist()


async def local() -> str:
    """Ada's account of her own, with a password."""
    return (await users.register("ada", "ada@example.org", "hash", is_open=True)).id


async def test_a_link_ends_every_other_way_into_the_account() -> None:
    ada = await local()
    sid, _ = await sessions.start(ada, ip="", agent="")
    await mfa.begin_setup(ada)
    await db.rows(
        "INSERT INTO api_keys (id, user_id, name, prefix, hash, role, networks, active, created_ms, updated_ms)"
        " VALUES ('1', ?1, 'backdoor', 'wk_', 'hash', 'admin', '[]', (1 = 1), 1, 1)",
        ada,
    )
    assert await admit(oidc_user()) == ada
    assert await sessions.principal_of(sid) is None
    assert [await db.rows(f"SELECT user_id FROM {table}") for table in ("api_keys", "totp")] == [[], []]


async def test_an_account_with_a_second_factor_is_not_linked() -> None:
    ada = await local()
    await mfa.begin_setup(ada)
    await db.rows("UPDATE totp SET active_ms = 1")
    with pytest.raises(Conflict, match="second factor"):
        await admit(oidc_user())
    assert await db.rows("SELECT user_id FROM oidc_identities") == []
    assert [row["password_hash"] for row in await db.rows("SELECT password_hash FROM users")] == ["hash"]
