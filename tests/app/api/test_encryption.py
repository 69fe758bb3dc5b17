"""Over TLS, ours or a trusted proxy's, browsers are told to stay there, and cookies travel by nothing else."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from app.main import create_app
from app.store import sessions
from tests.app.api.people import ADA, SETUP, calling

HSTS = "Strict-Transport-Security"
BY_TLS = {"X-Forwarded-Proto": "https"}


@pytest.fixture
async def behind_proxy(database):
    """An application that trusts the address these tests come from."""
    sessions.forget()
    settings = replace(database, registration_open=True, trusted_proxies=(ip_network("127.0.0.0/8"),))
    async with calling(create_app(settings)) as client:
        yield client


async def test_our_own_tls_is_told(client):
    assert HSTS not in (await client.get("/api/v1/version")).headers
    reply = await client.get("https://watchkeeper.test/api/v1/version")
    assert reply.headers[HSTS] == "max-age=31536000"


async def test_who_is_no_proxy_of_ours_is_not_believed(client):
    assert HSTS not in (await client.get("/api/v1/version", headers=BY_TLS)).headers


async def test_a_trusted_proxy_is_believed(behind_proxy):
    assert HSTS in (await behind_proxy.get("/api/v1/version", headers=BY_TLS)).headers
    assert HSTS not in (await behind_proxy.get("/api/v1/version", headers={"X-Forwarded-Proto": "http"})).headers


async def test_errors_and_pages_say_it_too(client):
    for path in ("/api/v1/nowhere", "/api/v1/docs", "/health", "/api/v1/monitors"):
        assert HSTS in (await client.get(f"https://watchkeeper.test{path}")).headers, path


@pytest.mark.parametrize(("headers", "secure"), [(BY_TLS, True), ({}, False)])
async def test_cookies_travel_by_tls_only_when_there_is_tls(behind_proxy, headers, secure):
    await behind_proxy.post("/api/v1/auth/register", json={**ADA, **SETUP})
    reply = await behind_proxy.post("/api/v1/auth/login", json=ADA, headers=headers)
    cookies = reply.headers.get_list("Set-Cookie")
    assert len(cookies) == 2
    assert all(("Secure" in one, "SameSite=lax" in one) == (secure, True) for one in cookies)
    assert [one.startswith("session_id=") for one in cookies if "HttpOnly" in one] == [True]
