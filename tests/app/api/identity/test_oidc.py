"""Signing in at a real OpenID provider: `just oidc-provider` installs it, the tests run it."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import httpx
import pytest

from app import db
from app.settings import Settings
from app.store.identity import sessions
from bench.ports import unused_port
from tests.app.api.running_app import ADA, HOME, SETUP, Client, bearer, calling, served

ROOT = Path(__file__).parents[4]
DIRECTORY = Path(os.environ.get("OIDC_PROVIDER", ROOT / ".venv" / "oidc-provider"))
AUTH = "/api/v1/auth"
CALLBACK = f"{HOME}{AUTH}/oidc/callback"
WANTS_JSON = {"Accept": "application/json"}

MISSING = shutil.which("node") is None or not (DIRECTORY / "node_modules" / "oidc-provider").exists()
HOW_TO_GET_IT = "there is no oidc-provider: `just oidc-provider` installs it, with node and npm"
pytestmark = pytest.mark.skipif(MISSING, reason=HOW_TO_GET_IT)  # a server of node.js, which not every machine has


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """A provider of this module."""
    port = unused_port()
    script = Path(__file__).with_name("provider.mjs")
    command = ["node", str(script), str(DIRECTORY), str(port), CALLBACK]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    try:
        assert any("ready" in line for line in server.stdout), "the provider ended at its start"
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


@pytest.fixture
def provider_settings(database: Settings, issuer: str) -> Settings:
    """Settings that name the provider."""
    sessions.clear_cache()
    return replace(
        database,
        registration_open=True,
        oidc_issuer=issuer,
        oidc_client_id="watchkeeper",
        oidc_client_secret="a secret: 100% + more",
        oidc_role_claim="realm.roles",
        oidc_admin_values=("wk-admins", "root"),
        oidc_operator_values=("wk-operators",),
        oidc_auto_create=True,
    )


@pytest.fixture
async def client(provider_settings: Settings) -> AsyncIterator[Client]:
    async with calling(served(provider_settings)) as one:
        yield one


async def go(client: Client, name: str) -> str:
    """Leave for the provider, sign in there as somebody and agree; the address one is sent back to."""
    response = await client.get(f"{AUTH}/oidc/start")
    assert response.status_code == 302, response.text
    url = response.headers["Location"]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        while not url.startswith(HOME):
            url = await _stepped(browser, url, name)
    return str(url)


async def _stepped(browser: aiohttp.ClientSession, url: str, name: str) -> str:
    """Follow one redirect, or fill in the form that is sent."""
    answer = await browser.get(url, allow_redirects=False)
    if answer.status == 200:
        page = await answer.text()
        found = re.search(r'name="prompt" value="(\w+)"', page)
        assert found, page
        form = {"prompt": found.group(1), "login": name, "password": "anything"}
        action = re.search(r'action="([^"]+)"', page)
        assert action, page
        answer = await browser.post(
            answer.url.join(type(answer.url)(action.group(1))), data=form, allow_redirects=False
        )
    assert answer.status in {302, 303}, await answer.text()
    return str(answer.url.join(type(answer.url)(answer.headers["Location"], encoded=True)))


async def sign_in(client: Client, name: str) -> httpx.Response:
    response = await client.get(await go(client, name), headers=WANTS_JSON)
    client.cookies.clear()
    return response


async def local(client: Client, **changes: Any) -> dict[str, Any]:
    """Somebody with a password here, signed in."""
    await client.post(f"{AUTH}/register", json={**ADA, **SETUP, **changes})
    login: dict[str, Any] = (await client.post(f"{AUTH}/login", json={**ADA, **changes})).json()
    client.cookies.clear()
    return login


async def test_a_new_user_gets_an_account_a_role_and_a_cookie(client: Client) -> None:
    response = await client.get(await go(client, "ada"))
    assert (response.status_code, response.headers["Location"]) == (302, "http://localhost:3000")
    assert "oidc_sign_in" not in client.cookies
    me = (await client.get(f"{AUTH}/me")).json()
    assert (me["username"], me["email"], me["role"]) == ("ada_l", "ada@example.org", "admin")


async def test_callers_that_want_json_get_tokens(client: Client) -> None:
    login = (await sign_in(client, "ada")).json()
    assert (await client.get(f"{AUTH}/me", headers=bearer(login))).json()["id"] == login["user"]["id"]


async def test_the_same_person_is_the_same_user_the_next_time(client: Client) -> None:
    first, second = (await sign_in(client, "ada")).json(), (await sign_in(client, "ada")).json()
    assert first["user"] == second["user"]


async def test_each_person_has_the_role_that_the_provider_sets(client: Client) -> None:
    roles = [(await sign_in(client, name)).json()["user"]["role"] for name in ("ada", "bob", "carl")]
    assert roles == ["admin", "operator", "viewer"]


async def test_the_role_is_set_at_each_sign_in_and_ends_older_sessions(client: Client) -> None:
    await sign_in(client, "ada")
    before = (await sign_in(client, "bob")).json()
    assert (await client.get(f"{AUTH}/me", headers=bearer(before))).status_code == 200
    await db.rows("UPDATE users SET role = 'viewer' WHERE username = 'bob'")
    after = (await sign_in(client, "bob")).json()
    assert after["user"]["role"] == "operator"
    assert (await client.get(f"{AUTH}/me", headers=bearer(before))).status_code == 401
    assert (await client.get(f"{AUTH}/me", headers=bearer(after))).status_code == 200


async def test_a_verified_address_leads_to_the_account_that_has_it_and_ends_its_password(client: Client) -> None:
    before = await local(client)
    login = (await sign_in(client, "ada")).json()
    assert login["user"]["id"] == before["user"]["id"]
    assert (await client.get(f"{AUTH}/me", headers=bearer(before))).status_code == 401
    assert (await client.post(f"{AUTH}/login", json=ADA)).status_code == 401


async def test_an_unverified_address_is_not_linked_to_a_user(client: Client) -> None:
    await local(client)
    response = await sign_in(client, "mallory")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "CONFLICT")
    assert (await client.post(f"{AUTH}/login", json=ADA)).status_code == 200


@pytest.mark.parametrize("name", ["carl", "bob", "nobody"])
async def test_the_first_user_becomes_an_admin_only_with_a_verified_address(client: Client, name: str) -> None:
    response = await sign_in(client, name)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "FORBIDDEN")


async def test_a_switched_off_account_stays_outside(client: Client) -> None:
    await sign_in(client, "ada")
    await db.rows(f"UPDATE users SET active = {'0' if db.is_sqlite() else 'FALSE'}")
    assert (await sign_in(client, "ada")).status_code == 403


async def test_strangers_get_no_account_unless_configured(provider_settings: Settings) -> None:
    async with calling(served(replace(provider_settings, oidc_auto_create=False))) as client:
        await local(client, email="boss@example.org")
        assert (await sign_in(client, "ada")).status_code == 403


async def test_a_response_is_valid_once_and_only_for_its_browser(client: Client) -> None:
    back = await go(client, "ada")
    mine = dict(client.cookies)
    client.cookies.clear()
    assert (await client.get(back)).status_code == 401
    client.cookies.update(mine)
    other = re.sub(r"state=[^&]+", "state=another", back)
    assert (await client.get(other)).status_code == 401
    assert (await client.get(re.sub(r"iss=[^&]+", "iss=http%3A%2F%2Fevil.example", back))).status_code == 401
    assert (await client.get(back)).status_code == 302
    client.cookies.clear()
    client.cookies.update(mine)
    assert (await client.get(back)).status_code == 401  # the provider takes a code once


async def test_a_refusal_by_the_provider_is_reported(client: Client, issuer: str) -> None:
    away = dict(parse_qsl(urlsplit((await client.get(f"{AUTH}/oidc/start")).headers["Location"]).query))
    payload = {"state": away["state"], "iss": issuer, "error": "access_denied"}
    response = await client.get(f"{AUTH}/oidc/callback", params=payload)
    assert response.status_code == 401
    assert response.json()["error"]["message"].endswith("access_denied.")


async def test_the_provider_is_called_with_state_nonce_and_a_hashed_verifier(client: Client) -> None:
    responses = [await client.get(f"{AUTH}/oidc/start") for _ in range(2)]
    first, second = (dict(parse_qsl(urlsplit(one.headers["Location"]).query)) for one in responses)
    assert first["code_challenge_method"] == "S256"
    assert not {first[name] for name in ("state", "nonce", "code_challenge")} & set(second.values())
    assert "HttpOnly" in responses[0].headers["Set-Cookie"]


async def test_concurrent_first_sign_ins_create_one_user(client: Client) -> None:
    requests = []
    for _ in range(2):
        back = await go(client, "ada")
        requests.append((back, {**WANTS_JSON, "Cookie": f"oidc_sign_in={client.cookies['oidc_sign_in']}"}))
        client.cookies.clear()
    responses = await asyncio.gather(*(client.get(back, headers=headers) for back, headers in requests))
    assert len({response.json()["user"]["id"] for response in responses}) == 1
