"""API keys over HTTP: returned once, never stronger than their owner, invalid at once when revoked."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from litestar import Litestar

from app import db, tasks
from app.store.identity import api_key_auth
from schema.status import Role
from tests.app.api.credentials import CALLERS, key_of, set_user, signed_in
from tests.app.api.running_app import ADMIN_TOKEN, Client, Headers
from tests.app.api.sockets import connect_socket

PATH = "/api/v1/api-keys"
ME, PLUGINS = "/api/v1/auth/me", "/api/v1/plugins"
SOON = (datetime.now(UTC) + timedelta(days=2)).isoformat()
LATER = (datetime.now(UTC) + timedelta(days=9)).isoformat()


@pytest.fixture
async def ada(client: Client) -> Headers:
    """An admin."""
    return await signed_in(client)


@pytest.fixture
async def bob(client: Client, ada: Headers) -> Headers:
    """An operator."""
    return await signed_in(client, Role.OPERATOR, "bob")


async def made(client: Client, owner: Headers, **limits: Any) -> dict[str, Any]:
    response = await client.post(PATH, json={"name": "robot", **limits}, headers=owner)
    assert response.status_code == 201, response.text
    return dict(response.json())


def wrong_fields(response: Any) -> list[str]:
    assert response.status_code == 422, response.text
    return [one["field"] for one in response.json()["error"]["details"]["fields"]]


CHANGES = {"switched off": {"active": False}, "narrowed": {"scopes": []}, "sent elsewhere": {"networks": ["10.0.0.1"]}}


async def test_a_key_is_returned_once_and_stored_as_a_hash(client: Client, ada: Headers) -> None:
    key = await made(client, ada)
    secret = key.pop("key")
    assert len(secret) == 46
    assert secret.startswith(key["prefix"])
    for at in (PATH, f"{PATH}/{key['id']}"):
        assert secret not in (await client.get(at, headers=ada)).text
    (row,) = await db.rows("SELECT * FROM api_keys")
    assert not [one for one in dict(row).values() if secret in str(one)]
    assert (await client.get(f"{PATH}/{key['id']}", headers=ada)).json() == key


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
async def test_a_key_signs_in_by_either_header(client: Client, ada: Headers, header: str) -> None:
    secret = await key_of(client, ada, role="operator")
    response = await client.get(ME, headers={header: f"Bearer {secret}" if header == "Authorization" else secret})
    assert response.json()["username"] == "ada"


async def test_a_key_is_read_changed_and_removed(client: Client, ada: Headers) -> None:
    key = await made(client, ada, scopes=["monitors:read"], networks=["10.0.0.9/8", "::1"], expires_at=SOON)
    at = f"{PATH}/{key['id']}"
    assert (key["networks"], key["scopes"]) == (["10.0.0.0/8", "::1/128"], ["monitors:read"])
    changed = (await client.patch(at, json={"scopes": None, "expires_at": None}, headers=ada)).json()
    assert (changed["scopes"], changed["expires_at"], changed["networks"]) == (None, None, key["networks"])
    assert (await client.put(at, json={"scopes": []}, headers={**ada, "If-Match": '"2"'})).json()["scopes"] == []
    assert (await client.delete(at, headers={**ada, "If-Match": '"2"'})).status_code == 412
    assert (await client.delete(at, headers=ada)).status_code == 204
    assert (await client.get(at, headers=ada)).json()["error"]["details"]["resource"] == "API key"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"role": "root"}, "role"),
        ({"scopes": ["monitors:read", "moons:read"]}, "scopes.1"),
        ({"scopes": ["monitors:*"]}, "scopes.0"),
        ({"networks": ["10.0.0.0/8", "everywhere"]}, "networks.1"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2099-01-01T00:00:00"}, "expires_at"),
        ({"key": "pk_mine"}, "key"),
        ({"user_id": "somebody"}, "user_id"),
    ],
)
async def test_invalid_fields_are_named(client: Client, ada: Headers, change: dict[str, Any], field: str) -> None:
    assert wrong_fields(await client.post(PATH, json={"name": "robot", **change}, headers=ada)) == [field]


async def test_people_have_their_own_keys_and_admins_see_all(client: Client, ada: Headers, bob: Headers) -> None:
    hers, his = await made(client, ada, name="hers"), await made(client, bob, name="his")
    assert [one["name"] for one in (await client.get(PATH, headers=ada)).json()["api_keys"]] == ["hers", "his"]
    assert [one["name"] for one in (await client.get(f"{PATH}?limit=5", headers=bob)).json()["data"]] == ["his"]
    assert (await client.get(f"{PATH}?user_id={hers['user_id']}", headers=bob)).json()["total"] == 0
    assert (await client.get(f"{PATH}?user_id={his['user_id']}&q=HI", headers=ada)).json()["total"] == 1
    for method in (client.get, client.delete):
        assert (await method(f"{PATH}/{hers['id']}", headers=bob)).status_code == 404
    assert (await client.delete(f"{PATH}/{his['id']}", headers=ada)).status_code == 204


async def test_a_key_has_at_most_its_owners_role_and_shrinks_with_it(client: Client, bob: Headers) -> None:
    assert wrong_fields(await client.post(PATH, json={"name": "robot", "role": "admin"}, headers=bob)) == ["role"]
    key = await made(client, bob, role="operator")
    assert wrong_fields(await client.patch(f"{PATH}/{key['id']}", json={"role": "admin"}, headers=bob)) == ["role"]
    await set_user("bob", "role", "viewer")
    mine = {"X-API-Key": key["key"]}
    assert (await client.post("/api/v1/checks/run", json={}, headers=mine)).status_code == 403
    assert (await client.get(f"{PATH}/{key['id']}", headers=mine)).json()["effective_role"] == "viewer"


async def test_a_request_with_a_key_shows_the_key_s_permissions(client: Client, ada: Headers) -> None:
    key = await made(client, ada, role="viewer", scopes=["monitors:read", "users:read"])
    me = (await client.get(ME, headers={"X-API-Key": key["key"]})).json()
    assert (me["role"], me["is_admin"]) == ("admin", True)  # the owner's
    assert me["credential"] == {
        "via": "api_key",
        "role": "viewer",
        "scopes": ["monitors:read", "users:read"],
        "key_id": key["id"],
    }


@pytest.mark.parametrize("caller_name", ["operator by Basic", "viewer by cookie", "the installation's token", "admin"])
async def test_a_request_shows_how_its_caller_is_signed_in(client: Client, caller_name: str) -> None:
    ways = {"operator by Basic": "basic", "viewer by cookie": "cookie", "the installation's token": "token"}
    person = CALLERS[caller_name]
    me = (await client.get(ME, headers=await person.authenticate(client))).json()
    role = None if person.role is None else person.role.value
    assert me["credential"] == {"via": ways.get(caller_name, "jwt"), "role": role, "scopes": None, "key_id": None}


async def test_a_key_cannot_grant_more_than_it_has(client: Client, ada: Headers) -> None:
    here = ["127.0.0.0/8"]
    own = {"scopes": ["api-keys:write", "monitors:read"], "networks": here, "expires_at": SOON, "role": "operator"}
    asking = {"X-API-Key": await key_of(client, ada, **own)}
    greedy = {"role": "admin", "scopes": ["proxies:read"], "expires_at": LATER, "networks": ["0.0.0.0/0"]}
    response = await client.post(PATH, json={"name": "child", **greedy}, headers=asking)
    assert wrong_fields(response) == ["role", "scopes", "expires_at", "networks"]
    unbounded = await client.post(PATH, json={"name": "child"}, headers=asking)
    assert wrong_fields(unbounded) == ["scopes", "expires_at", "networks"]
    child = await made(client, asking, scopes=["monitors:read"], networks=["127.0.0.1"], expires_at=SOON)
    at = f"{PATH}/{child['id']}"
    assert wrong_fields(await client.patch(at, json={"expires_at": None}, headers=asking)) == ["expires_at"]
    assert (await client.patch(at, json={"name": "renamed"}, headers=asking)).status_code == 200


async def test_a_key_wakes_none_that_goes_further_than_itself(client: Client, ada: Headers) -> None:
    strong = await made(client, ada, role="admin", networks=["10.0.0.0/8"], active=False)
    asking, at = {"X-API-Key": await key_of(client, ada, role="operator")}, f"{PATH}/{strong['id']}"
    woken = await client.patch(at, json={"active": True, "networks": []}, headers=asking)
    assert wrong_fields(woken) == ["role"]
    assert (await client.patch(at, json={"active": False}, headers=asking)).status_code == 200


@pytest.mark.parametrize(("method", "path"), [("POST", "/api/v1/auth/logout"), ("PATCH", ME)])
async def test_a_key_changes_nothing_about_people(client: Client, ada: Headers, method: str, path: str) -> None:
    response = await client.request(method, path, json={}, headers={"X-API-Key": await key_of(client, ada)})
    assert response.status_code == 403
    assert "Sign in as a user" in response.json()["error"]["message"]


async def test_a_token_without_a_user_has_no_keys(client: Client) -> None:
    response = await client.post(PATH, json={"name": "x"}, headers={"X-API-Key": ADMIN_TOKEN})
    assert response.status_code == 403


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("expired key", "has expired"),
        ("key switched off", "is disabled"),
        ("unknown key", "is not valid"),
        ("key of an ended user", "user of this API key is disabled"),
        ("key from a wrong network", "may not be used from 127.0.0.1"),
        ("wrong password by Basic", "password is wrong"),
    ],
)
async def test_a_refusal_names_what_is_wrong_with_the_credential(client: Client, name: str, message: str) -> None:
    response = await client.get(PLUGINS, headers=await CALLERS[name].authenticate(client))
    assert response.status_code == CALLERS[name].refusal
    assert message in response.json()["error"]["message"]


async def test_the_last_use_is_kept_without_a_write_per_request(client: Client, ada: Headers) -> None:
    key = await made(client, ada)
    for _ in range(3):
        await client.get(PLUGINS, headers={"X-API-Key": key["key"]})
    assert (await client.get(f"{PATH}/{key['id']}", headers=ada)).json()["last_used_at"] is None
    await api_key_auth.save_uses()
    saved = (await client.get(f"{PATH}/{key['id']}", headers=ada)).json()
    assert saved["last_used_at"] > saved["created_at"][:19]
    assert (saved["last_used_ip"], saved["version"]) == ("127.0.0.1", 1)


async def test_a_process_that_stops_keeps_the_last_uses(client: Client, ada: Headers) -> None:
    key = await made(client, ada)
    await client.get(PLUGINS, headers={"X-API-Key": key["key"]})
    keeping = asyncio.create_task(api_key_auth.save_uses_forever())
    await asyncio.sleep(0)
    await tasks.cancel(keeping)
    assert (await client.get(f"{PATH}/{key['id']}", headers=ada)).json()["last_used_ip"] == "127.0.0.1"


@pytest.mark.parametrize("how", ["removed", "switched off", "narrowed", "sent elsewhere"])
async def test_a_key_that_is_revoked_is_refused_and_its_socket_closed(
    client: Client, application: Litestar, ada: Headers, how: str
) -> None:
    key = await made(client, ada)
    mine, at = {"X-API-Key": key["key"]}, f"{PATH}/{key['id']}"
    async with connect_socket(application, {}) as socket:
        socket.send_message(type="auth", token=key["key"])
        assert (await socket.message())["type"] == "authenticated"
        if how == "removed":
            await client.delete(at, headers=ada)
        else:
            await client.patch(at, json=CHANGES[how], headers=ada)
        refusal = 403 if how in {"narrowed", "sent elsewhere"} else 401
        assert (await client.get(PLUGINS, headers=mine)).status_code == refusal
        assert "no longer valid" in (await socket.message())["error"]["message"]
        assert await socket.message() == {"closed": 4401}


async def test_keys_revoked_by_another_process_stop_working(client: Client, ada: Headers) -> None:
    mine = {"X-API-Key": await key_of(client, ada)}
    assert (await client.get(PLUGINS, headers=mine)).status_code == 200
    await db.rows("DELETE FROM api_keys")
    async with asyncio.timeout(10):
        while (await client.get(PLUGINS, headers=mine)).status_code != 401:
            await asyncio.sleep(0.05)
