"""Users and their sessions, on the database at hand."""

import asyncio
from time import time

import pytest

from app import db
from app.errors import Conflict, Forbidden, NoSuch, Unauthorized
from app.security.auth import keyring, tokens
from app.security.auth.keyring import SigningKey
from app.security.secrets import sealing
from app.settings import Settings
from app.store.identity import invitations, sessions, user_admin, users
from schema.invitations import InvitationDraft
from schema.status import Role
from schema.user_admin import ApiKeyAction, UserPatch


@pytest.fixture(autouse=True)
def opened(store: Settings) -> Settings:
    """The store, the keys, and no memory of earlier sessions."""
    sealing.prepare(store)
    sessions.clear_cache()
    return store


async def sign_up(name: str = "ada", *, is_open: bool = True) -> str:
    return (await users.register(name, f"{name}@example.org", "hash", is_open=is_open)).id


async def test_concurrent_first_users_create_one_admin() -> None:
    names = [f"user{number}" for number in range(8)]
    added = await asyncio.gather(*(users.register(one, f"{one}@x.org", "hash", is_open=True) for one in names))
    assert sorted(user.role for user in added) == [Role.ADMIN, *[Role.VIEWER] * 7]


async def test_while_closed_exactly_one_of_many_gets_in() -> None:
    tries = [users.register(f"user{no}", f"user{no}@x.org", "hash", is_open=False) for no in range(8)]
    ended = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(one).__name__ for one in ended) == [*["Forbidden"] * 7, "User"]


async def test_a_taken_name_is_a_conflict_and_a_closed_registration_is_not() -> None:
    await sign_up()
    with pytest.raises(Conflict):
        await sign_up()
    with pytest.raises(Forbidden):
        await sign_up("bob", is_open=False)


async def test_names_and_addresses_are_found_in_any_case() -> None:
    await users.register("Ada", "Ada@Example.org", "hash", is_open=True)
    assert [(await users.find_by_login(login)) is not None for login in ("ADA", "ada@example.ORG", "eve")] == [
        True,
        True,
        False,
    ]


async def test_renaming_to_a_taken_name_is_a_conflict() -> None:
    ada, _ = await sign_up(), await sign_up("bob")
    with pytest.raises(Conflict):
        await users.rename(ada, username="BOB", email=None)
    assert (await users.rename(ada, username="lovelace", email=None)).email == "ada@example.org"
    with pytest.raises(NoSuch):
        await users.get("nobody")


async def test_a_session_holds_until_it_is_ended() -> None:
    sid, _ = await sessions.start(await sign_up(), ip="", agent="")
    holder = await sessions.principal_of(sid)
    assert holder is not None
    assert (holder.username, holder.role) == ("ada", Role.ADMIN)
    await sessions.end(sid)
    assert await sessions.principal_of(sid) is None


async def test_a_session_of_a_disabled_user_is_invalid() -> None:
    sid, _ = await sessions.start(await sign_up(), ip="", agent="")
    await db.rows("UPDATE users SET active = ?1", False)
    assert await sessions.principal_of(sid) is None


async def test_an_expired_session_holds_no_more_and_is_not_renewed() -> None:
    sid, token = await sessions.start(await sign_up(), ip="", agent="")
    await db.rows("UPDATE sessions SET expires_ms = 1")
    assert await sessions.principal_of(sid) is None
    with pytest.raises(Unauthorized):
        await sessions.rotate_refresh_token(token)


async def test_concurrent_refreshes_get_the_same_token_and_the_session_lives() -> None:
    sid, token = await sessions.start(await sign_up(), ip="", agent="")
    refreshed = await asyncio.gather(*(sessions.rotate_refresh_token(token) for _ in range(6)))
    assert {one.id for one in refreshed} == {sid}
    assert sorted(one.is_repeated for one in refreshed) == [False, *[True] * 5]
    (successor,) = {one.refresh_token for one in refreshed}
    assert await sessions.principal_of(sid) is not None
    assert (await sessions.rotate_refresh_token(successor)).refresh_token not in {token, successor}


async def test_a_repeated_refresh_extends_neither_session_nor_grace() -> None:
    _, token = await sessions.start(await sign_up(), ip="", agent="")
    await sessions.rotate_refresh_token(token)
    await used_ago(20_000)
    before = await db.rows("SELECT * FROM sessions")
    assert (await sessions.rotate_refresh_token(token)).is_repeated
    assert await db.rows("SELECT * FROM sessions") == before


async def test_a_used_refresh_token_ends_the_session_after_the_grace() -> None:
    sid, token = await sessions.start(await sign_up(), ip="", agent="")
    successor = (await sessions.rotate_refresh_token(token)).refresh_token
    await used_ago(sessions.REFRESH_GRACE_MS + 1)
    with pytest.raises(sessions.RefreshTokenReused):
        await sessions.rotate_refresh_token(token)
    assert await sessions.principal_of(sid) is None
    for ended in (token, successor):
        with pytest.raises(Unauthorized, match="has ended"):
            await sessions.rotate_refresh_token(ended)


async def test_a_refresh_token_before_the_previous_one_ends_the_session_at_once() -> None:
    sid, first = await sessions.start(await sign_up(), ip="", agent="")
    second = await sessions.rotate_refresh_token(first)
    await sessions.rotate_refresh_token(second.refresh_token)
    with pytest.raises(sessions.RefreshTokenReused):
        await sessions.rotate_refresh_token(first)
    assert await sessions.principal_of(sid) is None


async def test_a_signed_out_session_is_not_refreshed_within_the_grace() -> None:
    sid, token = await sessions.start(await sign_up(), ip="", agent="")
    await sessions.rotate_refresh_token(token)
    await sessions.end(sid)
    with pytest.raises(Unauthorized, match="has ended"):
        await sessions.rotate_refresh_token(token)


async def test_a_repeated_refresh_gets_the_same_token_across_a_new_signing_key() -> None:
    _, token = await sessions.start(await sign_up(), ip="", agent="")
    successor = (await sessions.rotate_refresh_token(token)).refresh_token
    keyring.set_keys([SigningKey(id="new", secret=b"another" * 5, signs_from_s=time() - 1)])
    try:
        assert (await sessions.rotate_refresh_token(token)).refresh_token == successor
    finally:
        keyring.set_keys([])


async def test_a_token_that_a_previous_version_exchanged_is_refused_and_ends_nothing() -> None:
    sid, token = await sessions.start(await sign_up(), ip="", agent="")
    await sessions.rotate_refresh_token(token)
    await db.rows("UPDATE sessions SET refresh_hash = 'of a random token'")  # it leaves the new columns as they are
    with pytest.raises(Unauthorized, match="Another request"):
        await sessions.rotate_refresh_token(token)
    assert await sessions.principal_of(sid) is not None


async def used_ago(ms: int) -> None:
    """Move the last exchange of every session into the past."""
    await db.rows("UPDATE sessions SET refreshed_ms = refreshed_ms - CAST(?1 AS BIGINT)", ms)


async def test_a_guessed_refresh_token_ends_nobodys_session() -> None:
    sid, _ = await sessions.start(await sign_up(), ip="", agent="")
    with pytest.raises(Unauthorized):
        await sessions.rotate_refresh_token(f"{sid}.guess.{'0' * 43}")
    assert await sessions.principal_of(sid) is not None


async def test_the_refresh_token_itself_is_not_stored() -> None:
    _, first = await sessions.start(await sign_up(), ip="", agent="")
    second = (await sessions.rotate_refresh_token(first)).refresh_token
    rows = str([tuple(dict(row).values()) for row in await db.rows("SELECT * FROM sessions")])
    for token in (first, second):
        assert token not in rows
        assert token.split(".")[1] not in rows
        assert tokens.token_hash(token) in rows


async def test_a_session_begins_only_with_the_password_of_now_and_while_switched_on() -> None:
    ada = await sign_up()
    await sessions.start(ada, ip="", agent="", password_hash="hash")
    with pytest.raises(Unauthorized, match="meanwhile"):
        await sessions.start(ada, ip="", agent="", password_hash="an older one")
    await db.rows("UPDATE users SET active = ?1", False)
    with pytest.raises(Unauthorized, match="meanwhile"):
        await sessions.start(ada, ip="", agent="")


async def test_sign_ins_racing_a_reset_leave_no_session() -> None:
    ada = await sign_up()
    starts = [sessions.start(ada, ip="", agent="", password_hash="hash") for _ in range(6)]
    await asyncio.gather(
        *starts[:3],
        user_admin.set_password(ada, "new", key_action=ApiKeyAction.KEEP),
        *starts[3:],
        return_exceptions=True,
    )
    assert await db.rows("SELECT id FROM sessions WHERE ended_ms IS NULL") == []


@pytest.mark.parametrize("patch", [UserPatch(role=Role.OPERATOR), UserPatch(active=False), None])
async def test_invitations_end_with_the_rights_of_their_creator(patch: UserPatch | None) -> None:
    await sign_up()
    bob = (await user_admin.create("bob", "bob@example.org", Role.ADMIN, "hash")).id
    made, _ = await invitations.create(InvitationDraft(email="eve@example.org", role=Role.ADMIN), bob)
    await user_admin.update(bob, UserPatch(username="robert"))
    assert (await invitations.get(made.id)).status == "open"
    await (user_admin.update(bob, patch) if patch else user_admin.delete(bob))
    assert (await invitations.get(made.id)).status == "revoked"
