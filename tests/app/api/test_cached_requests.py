"""A warm request runs no SQL and no argon2, and cached credentials are dropped when they change."""

from typing import Any

import pytest
from litestar import Litestar

from app.security.auth import basic
from app.security.credentials import passwords
from schema.status import Role
from tests.app.api.credentials import (
    PASSWORD,
    basic as by_password,
    by_basic,
    by_cookie,
    set_user,
    signed_in,
    with_key,
    with_role,
)
from tests.app.api.running_app import Client
from tests.app.api.sockets import connect_socket

PLUGINS = "/api/v1/plugins"


@pytest.mark.parametrize(
    "authenticate", [with_role(Role.VIEWER), by_cookie, with_key(), by_basic], ids=["token", "cookie", "key", "Basic"]
)
async def test_a_warm_request_queries_no_database(client: Client, statements: list[str], authenticate: Any) -> None:
    headers = await authenticate(client)
    assert (await client.get(PLUGINS, headers=headers)).status_code == 200
    assert statements
    statements.clear()
    for _ in range(3):
        assert (await client.get(PLUGINS, headers=headers)).status_code == 200
    assert statements == []


async def test_a_poller_pays_for_its_password_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    headers, verified = await by_basic(client), []
    real = passwords.matches

    async def counted(password: str, stored: str | None) -> bool:
        verified.append(password)
        return await real(password, stored)

    monkeypatch.setattr(passwords, "matches", counted)
    for _ in range(3):
        assert (await client.get(PLUGINS, headers=headers)).status_code == 200
    assert verified == [PASSWORD]
    for _ in range(2):
        assert (await client.get(PLUGINS, headers=by_password("ada", "wrong"))).status_code == 401
    assert verified == [PASSWORD, "wrong", "wrong"]


async def test_an_old_password_is_refused_as_soon_as_there_is_a_new_one(client: Client) -> None:
    headers = await by_basic(client)
    assert (await client.get(PLUGINS, headers=headers)).status_code == 200
    await set_user("ada", "password_hash", await passwords.hash_password("a new password"))
    assert (await client.get(PLUGINS, headers=headers)).status_code == 401
    assert (await client.get(PLUGINS, headers=by_password("ADA@example.org", "a new password"))).status_code == 200


async def test_a_disabled_user_with_the_right_password_is_refused(client: Client) -> None:
    headers = await by_basic(client)
    assert (await client.get(PLUGINS, headers=headers)).status_code == 200
    await set_user("ada", "active", value=False)
    assert (await client.get(PLUGINS, headers=headers)).status_code == 401


@pytest.mark.parametrize("value", ["", "AAAA", "not base64", "Ym9i", "/////w=="])
async def test_malformed_basic_credentials_are_refused_with_a_message(client: Client, value: str) -> None:
    response = await client.get(PLUGINS, headers={"Authorization": f"Basic {value}"})
    assert response.status_code == 401
    assert response.json()["error"]["message"] == basic.MALFORMED


async def test_a_password_may_have_colons(client: Client) -> None:
    await signed_in(client)
    await set_user("ada", "password_hash", await passwords.hash_password("a:b:c"))
    assert (await client.get(PLUGINS, headers=by_password("ada", "a:b:c"))).status_code == 200


async def test_a_password_that_a_browser_repeats_for_another_site_is_refused(client: Client) -> None:
    headers = await by_basic(client)
    for origin, status in (("https://evil.example", 403), ("null", 403), (str(client.base_url), 200)):
        assert (await client.get(PLUGINS, headers={**headers, "Origin": origin})).status_code == status


async def test_a_socket_by_password_ends_with_the_password(client: Client, application: Litestar) -> None:
    async with connect_socket(application, await by_basic(client)) as socket:
        socket.send_message(type="ping", timestamp=1)
        assert (await socket.message())["type"] == "pong"
        await set_user("ada", "password_hash", await passwords.hash_password("a new password"))
        assert (await socket.message())["error"]["code"] == "UNAUTHORIZED"
        assert await socket.message() == {"closed": 4401}
