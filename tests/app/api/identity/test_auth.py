"""Signing up, in and out, through the front door."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest

from app import db, setup_token
from app.settings import Settings
from app.store.identity import api_key_auth, users
from tests.app.api.running_app import ADA, ADMIN_TOKEN, SETUP, Client, Headers, bearer, calling, served

SignUp = Callable[..., Awaitable[dict[str, Any]]]
LOGIN, ME = "/api/v1/auth/login", "/api/v1/auth/me"


async def test_the_first_user_is_admin_and_later_ones_are_viewers(signed_up: SignUp) -> None:
    first, second = await signed_up(), await signed_up(email="bob@example.org")
    assert (first["user"]["role"], first["user"]["is_admin"]) == ("admin", True)
    assert (second["user"]["role"], second["user"]["is_admin"]) == ("viewer", False)


async def test_concurrent_registrations_create_one_admin(client: Client) -> None:
    drafts = [{**ADA, **SETUP, "email": f"user{number}@example.org"} for number in range(6)]
    responses = await asyncio.gather(*(client.post("/api/v1/auth/register", json=draft) for draft in drafts))
    assert {response.status_code for response in responses} == {201}
    assert sorted(response.json()["role"] for response in responses) == ["admin", *["viewer"] * 5]


async def test_a_registration_goes_on_when_another_was_first_meanwhile(
    client: Client, signed_up: SignUp, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await signed_up()
    any_exist, so_far = users.any_exist, iter([False])
    monkeypatch.setattr(
        users, "any_exist", lambda: asyncio.sleep(0, False) if next(so_far, True) is False else any_exist()
    )
    draft = {**ADA, **SETUP, "email": "bob@example.org"}
    response = await client.post("/api/v1/auth/register", json=draft)
    assert (response.status_code, response.json()["role"]) == (201, "viewer")
    assert not (database.data_dir / setup_token.FILE_NAME).exists()


async def test_registration_closes_behind_the_first_user(database: Settings) -> None:
    drafts = [{**ADA, **SETUP, "email": f"{name}@example.org"} for name in ("ada", "bob")]
    async with calling(served(replace(database, registration_open=False))) as client:
        codes = [(await client.post("/api/v1/auth/register", json=draft)).status_code for draft in drafts]
    assert codes == [201, 403]


@pytest.mark.parametrize(
    "again", [{"email": "ADA@example.org", "username": "x"}, {"email": "x@x.org", "username": "ADA"}]
)
async def test_a_name_or_address_is_taken_whatever_its_case(client: Client, signed_up: SignUp, again: Headers) -> None:
    await signed_up()
    response = await client.post("/api/v1/auth/register", json={"password": "correct horse", **again})
    assert (response.status_code, response.json()["error"]["code"]) == (409, "CONFLICT")


@pytest.mark.parametrize("login", [{"email": "ada@EXAMPLE.org"}, {"username": "Ada"}, {"username": "ada@example.org"}])
async def test_users_sign_in_by_address_or_by_name(client: Client, signed_up: SignUp, login: Headers) -> None:
    await signed_up()
    response = await client.post(LOGIN, json={**login, "password": ADA["password"]})
    assert response.status_code == 200
    assert response.json()["token_type"] == "bearer"


async def test_the_token_path_takes_the_form_oauth2_clients_send(client: Client, signed_up: SignUp) -> None:
    await signed_up()
    form = {"grant_type": "password", "username": "ada@example.org", "password": ADA["password"], "scope": ""}
    response = await client.post("/api/v1/auth/token", data=form)
    assert set(response.json()) >= {"access_token", "token_type", "user", "refresh_token", "expires_in"}


async def test_an_unknown_user_and_a_wrong_password_get_the_same_reply(client: Client, signed_up: SignUp) -> None:
    await signed_up()
    responses = [
        await client.post(LOGIN, json={"email": email, "password": "wrong"}) for email in (ADA["email"], "nobody@x.org")
    ]
    assert {response.status_code for response in responses} == {401}
    assert len({response.json()["error"]["message"] for response in responses}) == 1


async def test_a_refresh_token_is_traded_for_a_working_pair(client: Client, signed_up: SignUp) -> None:
    first = await signed_up()
    second = (await client.post("/api/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})).json()
    assert second["refresh_token"] != first["refresh_token"]
    client.cookies.clear()
    assert (await client.get(ME, headers=bearer(second))).status_code == 200


async def test_two_tabs_that_refresh_together_stay_signed_in(client: Client, signed_up: SignUp) -> None:
    payload = {"refresh_token": (await signed_up())["refresh_token"]}
    responses = await asyncio.gather(*(client.post("/api/v1/auth/refresh", json=payload) for _ in range(4)))
    client.cookies.clear()
    assert {response.status_code for response in responses} == {200}
    (refresh_token,) = {response.json()["refresh_token"] for response in responses}
    for response in responses:
        assert (await client.get(ME, headers=bearer(response.json()))).status_code == 200
    assert (await client.post("/api/v1/auth/refresh", json={"refresh_token": refresh_token})).status_code == 200
    entries = await db.rows("SELECT change FROM audit WHERE action = 'session.refreshed' ORDER BY seq")
    assert ["repeated" in entry["change"] for entry in entries].count(True) == 3


async def test_a_reused_refresh_token_ends_the_whole_session(client: Client, signed_up: SignUp) -> None:
    first = await signed_up()
    payload = {"refresh_token": first["refresh_token"]}
    second = (await client.post("/api/v1/auth/refresh", json=payload)).json()
    await db.rows("UPDATE sessions SET refreshed_ms = refreshed_ms - 30001")
    client.cookies.clear()
    for _ in range(3):  # forged ones, which must not hide the entry
        await client.post("/api/v1/auth/refresh", json={"refresh_token": "made up"})
    assert (await client.post("/api/v1/auth/refresh", json=payload)).status_code == 401
    assert (await client.get(ME, headers=bearer(second))).status_code == 401
    again = await client.post("/api/v1/auth/refresh", json={"refresh_token": second["refresh_token"]})
    assert again.status_code == 401
    (entry,) = await db.rows("SELECT * FROM audit WHERE change LIKE '%reused%'")
    assert (entry["outcome"], entry["actor"], entry["resource_id"]) == ("refused", "ada", first["user"]["id"])


async def test_signing_out_ends_token_refresh_token_and_cookie(client: Client, signed_up: SignUp) -> None:
    await signed_up()
    mine = (await client.post(LOGIN, json=ADA)).json()
    assert (await client.post("/api/v1/auth/logout", headers=bearer(mine))).status_code == 204
    client.cookies.clear()
    assert (await client.get(ME, headers=bearer(mine))).status_code == 401
    response = await client.post("/api/v1/auth/refresh", json={"refresh_token": mine["refresh_token"]})
    assert response.status_code == 401


async def test_the_cookie_signs_in_and_cannot_be_read_by_scripts(client: Client, signed_up: SignUp) -> None:
    await signed_up()
    response = await client.post(LOGIN, json=ADA)
    session = next(one for one in response.headers.get_list("set-cookie") if one.startswith("session_id="))
    assert "HttpOnly" in session
    assert "SameSite=lax" in session
    assert (await client.get(ME)).json()["email"] == "ada@example.org"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"X-CSRF-Token": "guessed"}, 403),
        ({"Origin": "http://watchkeeper.test"}, 200),
    ],
)
async def test_a_change_by_cookie_needs_our_origin(
    client: Client, signed_up: SignUp, headers: Headers, status: int
) -> None:
    await signed_up()
    await client.post(LOGIN, json=ADA)
    response = await client.patch(ME, json={"username": "lovelace"}, headers=headers)
    assert response.status_code == status, response.text


async def test_a_change_by_cookie_may_repeat_the_csrf_token_instead(client: Client, signed_up: SignUp) -> None:
    await signed_up()
    await client.post(LOGIN, json=ADA)
    headers = {"X-CSRF-Token": client.cookies["csrf_token"]}
    assert (await client.patch(ME, json={"username": "lovelace"}, headers=headers)).json()["username"] == "lovelace"


async def test_the_first_credential_that_is_present_decides(client: Client, signed_up: SignUp) -> None:
    await signed_up()
    await client.post(LOGIN, json=ADA)
    assert (await client.get(ME, headers={"Authorization": "Bearer nonsense"})).status_code == 401
    assert (await client.get(ME, headers={"X-API-Key": "nonsense"})).status_code == 401
    assert (await client.get(ME, headers={"Authorization": "Carrier pigeon"})).status_code == 401


@pytest.mark.parametrize("headers", [{"Authorization": f"Bearer {ADMIN_TOKEN}"}, {"X-API-Key": ADMIN_TOKEN}])
async def test_the_installations_own_token_is_admin(client: Client, headers: Headers) -> None:
    assert (await client.get(ME, headers=headers)).json()["role"] == "admin"


async def test_a_token_signed_by_somebody_else_is_refused(client: Client, signed_up: SignUp) -> None:
    mine = (await signed_up())["access_token"]
    claims, head = jwt.decode(mine, options={"verify_signature": False}), jwt.get_unverified_header(mine)
    forged = [
        jwt.encode(claims, "x" * 32, "HS256", headers={"kid": head["kid"]}),
        jwt.encode(claims, "", "none", headers={"kid": head["kid"]}),
    ]
    for token in forged:
        assert (await client.get(ME, headers={"Authorization": f"Bearer {token}"})).status_code == 401


async def test_a_refusal_of_the_form_names_both_ways_to_sign_in(client: Client) -> None:
    fields = (await client.post(LOGIN, json={"password": "x"})).json()["error"]["details"]["fields"]
    assert [one["field"] for one in fields] == ["email"]


async def test_the_installations_own_token_has_no_profile_to_change(client: Client) -> None:
    response = await client.patch("/api/v1/auth/me", json={"username": "me"}, headers={"X-API-Key": ADMIN_TOKEN})
    assert (response.status_code, response.json()["error"]["code"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize(
    ("proof", "status"), [({}, 422), ({"password": "wrong"}, 401), ({"password": ADA["password"]}, 200)]
)
async def test_another_address_wants_the_password_again(
    client: Client, admin: Headers, proof: Headers, status: int
) -> None:
    response = await client.patch(ME, json={"email": "eve@example.org", **proof}, headers=admin)
    assert response.status_code == status, response.text
    is_changed = (await client.get(ME, headers=admin)).json()["email"] == "eve@example.org"
    assert is_changed is (status == 200)


async def test_the_address_one_has_wants_no_password(client: Client, admin: Headers) -> None:
    payload = {"email": ADA["email"], "username": "lovelace"}
    assert (await client.patch(ME, json=payload, headers=admin)).json()["username"] == "lovelace"


async def test_another_name_is_at_once_that_of_ones_keys(client: Client, admin: Headers) -> None:
    key = (await client.post("/api/v1/api-keys", json={"name": "k"}, headers=admin)).json()["id"]
    await api_key_auth.get_by_id(key)  # cached
    await client.patch(ME, json={"username": "lovelace"}, headers=admin)
    grant = await api_key_auth.get_by_id(key)
    assert grant is not None
    assert grant.principal.username == "lovelace"


async def test_an_api_key_changes_nobodys_address(client: Client, admin: Headers) -> None:
    key = (await client.post("/api/v1/api-keys", json={"name": "k", "role": "admin"}, headers=admin)).json()["key"]
    payload = {"email": "eve@example.org", "password": ADA["password"]}
    assert (await client.patch(ME, json=payload, headers={"X-API-Key": key})).status_code == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://evil.example", 403), ("null", 403), ("http://watchkeeper.test", 200), ("http://localhost:3000", 200)],
)
@pytest.mark.parametrize("path", ["login", "token"])
async def test_another_origin_cannot_sign_a_visitor_in(
    client: Client, signed_up: SignUp, path: str, origin: str, status: int
) -> None:
    await signed_up()
    form = {"username": ADA["email"], "password": ADA["password"]}
    response = await client.post(f"/api/v1/auth/{path}", data=form, headers={"Origin": origin})
    assert response.status_code == status, response.text
    assert ("session_id" in client.cookies) is (status == 200)
