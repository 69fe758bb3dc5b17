"""A provider that is down, misconfigured or dishonest is reported as such and signs nobody in."""

from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from app.env_vars import Rate
from app.settings import Settings
from tests.app.api.running_app import ADA, SETUP, Client, calling, served

pytestmark = pytest.mark.either_engine

START = "/api/v1/auth/oidc/start"


def knowing(database: Settings, issuer: str) -> Any:
    return calling(served(replace(database, oidc_issuer=issuer, oidc_client_id="watchkeeper")))


async def refusal(client: Client) -> tuple[int, str]:
    error = await client.get(START)
    return error.status_code, error.json()["error"]["message"]


async def serving(document: Any) -> TestServer:
    async def describe(_: web.Request) -> web.Response:
        return web.json_response(document) if not isinstance(document, str) else web.Response(text=document)

    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", describe)
    server = TestServer(app)
    await server.start_server()
    return server


async def test_without_a_provider_there_is_no_such_way_in(client: Client) -> None:
    for path in (START, "/api/v1/auth/oidc/callback?code=x&state=y"):
        assert (await client.get(path)).status_code == 404


async def test_a_provider_that_does_not_answer_is_a_bad_gateway(database: Settings, free_port: int) -> None:
    async with knowing(database, f"http://127.0.0.1:{free_port}") as client:
        assert await refusal(client) == (502, "The sign-in provider is not responding.")


async def test_a_provider_at_a_metadata_address_is_never_reached(database: Settings) -> None:
    async with knowing(database, "http://169.254.169.254") as client:
        status, message = await refusal(client)
    assert (status, "does not allow a connection" in message) == (502, True)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"issuer": "http://another.example"}, "issuer is not OIDC_ISSUER"),
        ({}, "issuer is not OIDC_ISSUER"),
        ("<html>", "not a JSON object"),
        ([1], "not a JSON object"),
        ("x" * 300_000, "too long"),
    ],
    ids=["another", "nameless", "page", "list", "endless"],
)
async def test_an_invalid_provider_is_not_followed(database: Settings, document: Any, message: str) -> None:
    server = await serving(document)
    try:
        async with knowing(database, str(server.make_url("")).rstrip("/")) as client:
            status, error = await refusal(client)
    finally:
        await server.close()
    assert (status, message in error) == (502, True)


@pytest.mark.parametrize("query", ["", "?code=x&state=y", "?error=access_denied&state=y"])
async def test_a_callback_without_our_redirect_is_refused(database: Settings, query: str) -> None:
    async with knowing(database, "http://127.0.0.1:9") as client:
        for cookie in ({}, {"Cookie": "oidc_sign_in=forged"}):
            response = await client.get(f"/api/v1/auth/oidc/callback{query}", headers=cookie)
            assert response.status_code == 401


async def test_a_repeated_callback_of_a_browser_that_is_signed_in_only_redirects(database: Settings) -> None:
    async with knowing(database, "http://127.0.0.1:9") as client:
        await client.post("/api/v1/auth/register", json={**ADA, **SETUP})
        login = await client.post("/api/v1/auth/login", json=ADA)
        assert login.status_code == 200
        callback = "/api/v1/auth/oidc/callback?code=x&state=y"
        again = await client.get(callback)
        assert (again.status_code, again.headers["Location"]) == (302, database.client_url)
        assert again.headers.get_list("Set-Cookie") == []
        assert (await client.get(callback, headers={"Accept": "application/json"})).status_code == 401
        client.cookies.set("oidc_sign_in", "forged")
        assert (await client.get(callback)).status_code == 401
        client.cookies.clear()
        client.cookies.set("session_id", "forged")
        assert (await client.get(callback)).status_code == 401


async def test_both_ways_count_as_signing_in(database: Settings) -> None:
    limited = replace(database, rate_limit_auth=Rate(7, 60))
    async with calling(served(limited)) as client:
        for path in (START, "/api/v1/auth/oidc/callback"):
            assert (await client.get(path)).headers["X-RateLimit-Limit"] == "7"
