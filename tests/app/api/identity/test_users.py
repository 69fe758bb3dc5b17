"""Users over HTTP: for admins, and never without one."""

import asyncio
from typing import Any

import pytest

from app import db
from tests.app.api.running_app import ADA, ADMIN_TOKEN, SETUP, Client, Headers, bearer, version_of

PATH, ME, LOGIN = "/api/v1/users", "/api/v1/auth/me", "/api/v1/auth/login"
ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
BOB = {"email": "bob@example.org", "username": "bob", "role": "operator", "password": "seven green boats"}


@pytest.fixture
def api(client: Client) -> Client:
    """A client that may do everything."""
    client.headers.update(ADMIN_HEADERS)
    return client


async def added(api: Client, **changes: Any) -> dict[str, Any]:
    response = await api.post(PATH, json={**BOB, **changes}, headers=ADMIN_HEADERS)
    assert response.status_code == 201, response.text
    assert "password" not in response.text
    member: dict[str, Any] = response.json()
    return member


async def signed_in(api: Client, **login: str) -> dict[str, Any]:
    response = await api.post(LOGIN, json={"username": BOB["username"], "password": BOB["password"], **login})
    assert response.status_code == 200, response.text
    api.cookies.clear()
    body: dict[str, Any] = response.json()
    return body


async def test_a_user_is_added_read_changed_and_removed(api: Client) -> None:
    bob = await added(api)
    at = f"{PATH}/{bob['id']}"
    assert (bob["role"], bob["active"], bob["last_seen_at"], bob["version"]) == ("operator", True, None, 1)
    assert (await api.get(at)).json() == bob
    assert (await api.patch(at, json={"username": "Robert"})).json()["username"] == "robert"
    merged = await api.put(at, json={"email": "rob@example.org"}, headers={"If-Match": '"2"'})
    assert (version_of(merged), merged.json()["username"]) == (3, "robert")
    assert (await api.delete(at, headers={"If-Match": '"1"'})).status_code == 412
    assert (await api.delete(at)).status_code == 204
    assert (await api.get(at)).json()["error"]["details"]["resource"] == "user"


async def test_a_created_user_can_sign_in(api: Client) -> None:
    await added(api)
    assert (await signed_in(api))["user"]["role"] == "operator"
    assert (await api.get(f"{PATH}?q=bob")).json()["users"][0]["last_seen_at"] is not None


async def test_a_list_is_whole_under_its_name_or_paged_filtered_and_sorted(api: Client) -> None:
    await added(api)
    await added(api, username="ann", email="ann@example.org", role="viewer")
    whole = (await api.get(PATH)).json()
    assert ([one["username"] for one in whole["users"]], whole["total"]) == (["ann", "bob"], 2)
    paged = (await api.get(f"{PATH}?limit=1&sort=email&order=desc")).json()
    assert ([one["username"] for one in paged["data"]], paged["pagination"]["pages"]) == (["bob"], 2)
    for question, names in {
        "role=viewer": ["ann"],
        "q=BOB": ["bob"],
        "active=false": [],
        "active=true&q=%25": [],
    }.items():
        assert [one["username"] for one in (await api.get(f"{PATH}?{question}")).json()["users"]] == names, question


@pytest.mark.parametrize("again", [{"email": "BOB@example.org", "username": "x"}, {"email": "x@x.org"}])
async def test_a_taken_name_or_address_is_a_conflict(api: Client, again: dict[str, str]) -> None:
    await added(api)
    assert (await api.post(PATH, json={**BOB, **again})).status_code == 409
    ann = await added(api, username="ann", email="ann@example.org")
    assert (await api.patch(f"{PATH}/{ann['id']}", json={"username": "BOB"})).status_code == 409


@pytest.mark.parametrize(
    "changes",
    [
        {"email": "nobody"},
        {"username": "a b"},
        {"role": "owner"},
        {"password": "short"},
        {"is_admin": True},
        {"id": "x"},
    ],
)
async def test_invalid_fields_are_named(api: Client, changes: dict[str, Any]) -> None:
    response = await api.post(PATH, json={**BOB, **changes})
    assert response.status_code == 422
    assert [one["field"] for one in response.json()["error"]["details"]["fields"]] == list(changes)


async def test_only_admins_see_or_change_users(client: Client, viewer: Headers) -> None:
    bob = await added(client, username="carl", email="carl@example.org")
    operator = bearer(await signed_in(client, username="carl"))
    for headers in (viewer, operator):
        responses = [
            await client.get(PATH, headers=headers),
            await client.post(PATH, json=BOB, headers=headers),
            await client.get(f"{PATH}/{bob['id']}", headers=headers),
            await client.patch(f"{PATH}/{bob['id']}", json={"role": "admin"}, headers=headers),
            await client.post(f"{PATH}/{bob['id']}/reset-password", json={}, headers=headers),
            await client.delete(f"{PATH}/{bob['id']}", headers=headers),
        ]
        assert [response.status_code for response in responses] == [403] * 6


@pytest.mark.parametrize("patch", [{"role": "viewer"}, {"active": False}])
async def test_another_role_or_being_switched_off_ends_sessions_and_refresh_tokens(
    api: Client, patch: dict[str, Any]
) -> None:
    bob = await added(api)
    login = await signed_in(api)
    assert (await api.get(ME, headers=bearer(login))).status_code == 200
    assert (await api.patch(f"{PATH}/{bob['id']}", json=patch)).status_code == 200
    assert (await api.get(ME, headers=bearer(login))).status_code == 401
    again = await api.post("/api/v1/auth/refresh", json={"refresh_token": login["refresh_token"]})
    assert again.status_code == 401


async def test_another_name_ends_no_session(api: Client) -> None:
    bob = await added(api)
    login = await signed_in(api)
    await api.patch(f"{PATH}/{bob['id']}", json={"username": "robert", "role": "operator", "active": True})
    assert (await api.get(ME, headers=bearer(login))).json()["username"] == "robert"


async def test_a_disabled_user_cannot_sign_in(api: Client) -> None:
    bob = await added(api)
    await api.patch(f"{PATH}/{bob['id']}", json={"active": False})
    response = await api.post(LOGIN, json={"username": "bob", "password": BOB["password"]})
    assert response.status_code == 401


@pytest.mark.parametrize("sent", [{}, {"password": "eleven red boats"}])
async def test_a_reset_password_works_the_old_one_does_not_and_sessions_end(api: Client, sent: dict[str, str]) -> None:
    bob = await added(api)
    login = await signed_in(api)
    made = (await api.post(f"{PATH}/{bob['id']}/reset-password", json=sent)).json()["password"]
    assert (made is None) is ("password" in sent)
    assert (await api.get(ME, headers=bearer(login))).status_code == 401
    assert (await api.post(LOGIN, json={"username": "bob", "password": BOB["password"]})).status_code == 401
    await signed_in(api, password=made or sent["password"])


@pytest.mark.parametrize("patch", [{"role": "operator"}, {"active": False}, None])
async def test_the_last_active_admin_cannot_be_removed(api: Client, patch: dict[str, Any] | None) -> None:
    ada = await added(api, role="admin")
    await added(api, username="ann", email="ann@example.org", role="admin")
    ann = (await api.get(f"{PATH}?q=ann")).json()["users"][0]
    await api.patch(f"{PATH}/{ann['id']}", json={"active": False})
    at = f"{PATH}/{ada['id']}"
    response = await (api.delete(at) if patch is None else api.patch(at, json=patch))
    assert (response.status_code, response.json()["error"]["code"]) == (409, "CONFLICT")
    assert (await api.get(at)).json() == ada
    await api.patch(f"{PATH}/{ann['id']}", json={"active": True})
    assert (await (api.delete(at) if patch is None else api.patch(at, json=patch))).status_code in {200, 204}


async def test_admins_demoting_each_other_concurrently_leave_one(api: Client) -> None:
    people = [await added(api, username=f"user{no}", email=f"user{no}@x.org", role="admin") for no in range(4)]
    verbs = [
        api.patch(f"{PATH}/{people[0]['id']}", json={"role": "viewer"}),
        api.patch(f"{PATH}/{people[1]['id']}", json={"active": False}),
        api.put(f"{PATH}/{people[2]['id']}", json={"role": "operator"}),
        api.delete(f"{PATH}/{people[3]['id']}"),
    ]
    codes = [response.status_code for response in await asyncio.gather(*verbs)]
    assert codes.count(409) == 1, codes
    assert (await api.get(f"{PATH}?role=admin&active=true")).json()["total"] == 1


async def test_a_user_without_a_password_is_invited(api: Client) -> None:
    response = await api.post(PATH, json={"email": "bob@example.org", "role": "operator"})
    assert response.status_code == 201
    assert (response.json()["status"], response.json()["role"]) == ("open", "operator")
    assert response.json()["link"].endswith(f"/invitation#{response.json()['token']}")
    assert (await api.get(PATH)).json()["total"] == 0


async def test_registering_with_a_common_password_is_refused(client: Client) -> None:
    response = await client.post("/api/v1/auth/register", json={**ADA, **SETUP, "password": "password1234"})
    assert response.json()["error"]["details"]["fields"][0]["field"] == "password"
    assert "three or four unrelated words" in response.json()["error"]["details"]["fields"][0]["message"]


async def keyed(api: Client) -> tuple[str, Headers]:
    """Bob with an API key of his own: his id, and the headers with the key."""
    bob = await added(api)
    headers = bearer(await signed_in(api))
    made = (await api.post("/api/v1/api-keys", json={"name": "robot", "role": "operator"}, headers=headers)).json()
    key_headers = {"Authorization": f"Bearer {made['key']}"}
    assert (await api.get(ME, headers=key_headers)).status_code == 200
    return bob["id"], key_headers


@pytest.mark.parametrize(
    ("method", "path", "sent", "revoked"),
    [
        ("POST", "/reset-password", {}, 1),
        ("POST", "/reset-password", {"api_keys": "revoke", "password": "eleven red boats"}, 1),
        ("POST", "/reset-password", {"api_keys": "keep"}, 0),
        ("PATCH", "", {"role": "viewer"}, 1),
        ("PATCH", "", {"role": "viewer", "api_keys": "keep"}, 0),
        ("PATCH", "", {"role": "admin"}, 0),
        ("PATCH", "", {"username": "robert"}, 0),
        ("PUT", "", {"active": False}, 1),
        ("PATCH", "", {"active": False, "api_keys": "keep"}, 0),
    ],
)
async def test_keys_are_switched_off_with_what_their_owner_loses_unless_they_are_kept(
    api: Client, method: str, path: str, sent: dict[str, Any], revoked: int
) -> None:
    user_id, headers = await keyed(api)
    response = await api.request(method, f"{PATH}/{user_id}{path}", json=sent)
    assert (response.status_code, response.json()["api_keys_revoked"]) == (200, revoked), response.text
    await api.patch(f"{PATH}/{user_id}", json={"active": True})  # what was switched off stays so
    assert (await api.get(ME, headers=headers)).status_code == (401 if revoked else 200)
    entries = (await api.get("/api/v1/audit?limit=5")).json()["data"]
    counts = [one["change"].get("api_keys_revoked") for one in entries]
    assert [one for one in counts if one] == [1] * revoked


async def test_a_reset_password_revokes_what_its_owner_invited_others_to(api: Client) -> None:
    carl = await added(api, username="carl", email="carl@example.org", role="admin")
    headers = bearer(await signed_in(api, username="carl"))
    made = (await api.post("/api/v1/invitations", json={"email": "x@x.org", "role": "admin"}, headers=headers)).json()
    await api.post(f"{PATH}/{carl['id']}/reset-password", json={})
    assert (await api.get(f"/api/v1/invitations/{made['id']}")).json()["status"] == "revoked"


async def test_a_session_that_has_just_ended_leaves_no_key_behind(api: Client) -> None:
    bob = await added(api)
    headers = bearer(await signed_in(api))
    assert (await api.get(ME, headers=headers)).status_code == 200  # and is remembered
    await db.rows("UPDATE sessions SET ended_ms = 1 WHERE user_id = ?1", bob["id"])  # as by another process
    response = await api.post("/api/v1/api-keys", json={"name": "robot", "role": "viewer"}, headers=headers)
    assert response.status_code == 401
