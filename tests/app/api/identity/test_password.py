"""Changing a password needs the old one and ends the other sessions."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from argon2 import PasswordHasher

from app import db
from tests.app.api.running_app import ADA, ADMIN_TOKEN, Client, bearer

PATH, ME, LOGIN = "/api/v1/auth/password", "/api/v1/auth/me", "/api/v1/auth/login"
NEW = "seven green boats"

SignUp = Callable[..., Awaitable[dict[str, Any]]]


async def changed(client: Client, login: dict[str, Any], new: str = NEW, old: str = ADA["password"]) -> Any:
    return await client.put(PATH, json={"old_password": old, "new_password": new}, headers=bearer(login))


async def stored(client: Client) -> str:
    return str((await db.rows("SELECT password_hash FROM users"))[0]["password_hash"])


async def test_a_changed_password_ends_every_other_session_and_keeps_ones_own(
    client: Client, signed_up: SignUp
) -> None:
    first = await signed_up()
    second = (await client.post(LOGIN, json=ADA)).json()
    client.cookies.clear()
    assert (await changed(client, first)).status_code == 204
    assert [(await client.get(ME, headers=bearer(one))).status_code for one in (first, second)] == [200, 401]
    codes = [
        (await client.post("/api/v1/auth/refresh", json={"refresh_token": one["refresh_token"]})).status_code
        for one in (first, second)
    ]
    assert codes == [200, 401]
    logins = [(await client.post(LOGIN, json={**ADA, "password": one})).status_code for one in (ADA["password"], NEW)]
    assert logins == [401, 200]


async def test_a_wrong_password_changes_nothing(client: Client, signed_up: SignUp) -> None:
    login, before = await signed_up(), await stored(client)
    response = await changed(client, login, old="a guess of mine")
    assert response.json()["error"]["details"]["fields"] == [
        {"field": "old_password", "message": "is not your current password"}
    ]
    assert await stored(client) == before


@pytest.mark.parametrize(
    "weak", ["short", "aaaaaaaaaaaa", "abcdefghijkl", "Password2026!", "qwertyuiop", "ada@example.org", "ada.example"]
)
async def test_a_weak_password_is_refused_with_what_would_be_right(
    client: Client, signed_up: SignUp, weak: str
) -> None:
    login = await signed_up(username="ada.example")
    fields = (await changed(client, login, weak)).json()["error"]["details"]["fields"]
    assert [one["field"] for one in fields] == ["new_password"]


async def test_the_installations_own_token_has_no_password(client: Client) -> None:
    response = await client.put(
        PATH,
        json={"old_password": "x", "new_password": NEW},
        headers={"Authorization": f"Bearer {ADMIN_TOKEN}"},
    )
    assert response.status_code == 403


@pytest.mark.usefixtures("real_passwords")
async def test_a_hash_of_older_parameters_is_renewed_when_its_owner_signs_in(client: Client, signed_up: SignUp) -> None:
    await signed_up()
    old = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(ADA["password"])
    await db.rows("UPDATE users SET password_hash = ?1", old)
    assert (await client.post(LOGIN, json={**ADA, "password": "a guess of mine"})).status_code == 401
    assert await stored(client) == old
    assert (await client.post(LOGIN, json=ADA)).status_code == 200
    renewed = await stored(client)
    assert "m=19456,t=2,p=1" in renewed
    assert (await client.post(LOGIN, json=ADA)).status_code == 200
    assert await stored(client) == renewed


@pytest.mark.parametrize(("sent", "status"), [({}, 200), ({"api_keys": "keep"}, 200), ({"api_keys": "revoke"}, 401)])
async def test_ones_own_keys_stay_unless_they_are_to_be_switched_off(
    client: Client, signed_up: SignUp, sent: dict[str, str], status: int
) -> None:
    login = await signed_up()
    made = (await client.post("/api/v1/api-keys", json={"name": "robot"}, headers=bearer(login))).json()
    body = {"old_password": ADA["password"], "new_password": NEW, **sent}
    assert (await client.put(PATH, json=body, headers=bearer(login))).status_code == 204
    assert (await client.get(ME, headers={"X-API-Key": made["key"]})).status_code == status
