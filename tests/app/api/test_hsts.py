"""Over TLS, direct or through a trusted proxy, HSTS is sent and cookies are secure."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from app.store.identity import sessions
from tests.app.api.running_app import ADA, SETUP, calling, served

pytestmark = pytest.mark.either_engine

HSTS = "Strict-Transport-Security"
BY_TLS = {"X-Forwarded-Proto": "https"}


@pytest.fixture
async def behind_proxy(database):
    """An application that trusts the address these tests come from."""
    sessions.clear_cache()
    settings = replace(database, registration_open=True, trusted_proxies=(ip_network("127.0.0.0/8"),))
    async with calling(served(settings)) as client:
        yield client


async def test_our_own_tls_is_announced(client):
    assert HSTS not in (await client.get("/api/v1/version")).headers
    response = await client.get("https://watchkeeper.test/api/v1/version")
    assert response.headers[HSTS] == "max-age=31536000"


async def test_an_untrusted_proxy_is_ignored(client):
    assert HSTS not in (await client.get("/api/v1/version", headers=BY_TLS)).headers


async def test_a_trusted_proxy_is_believed(behind_proxy):
    assert HSTS in (await behind_proxy.get("/api/v1/version", headers=BY_TLS)).headers
    assert HSTS not in (await behind_proxy.get("/api/v1/version", headers={"X-Forwarded-Proto": "http"})).headers


async def test_errors_and_pages_announce_it_too(client):
    for path in ("/api/v1/nowhere", "/api/v1/docs", "/health", "/api/v1/monitors"):
        assert HSTS in (await client.get(f"https://watchkeeper.test{path}")).headers, path


@pytest.mark.parametrize(("headers", "secure"), [(BY_TLS, True), ({}, False)])
async def test_cookies_travel_by_tls_only_when_there_is_tls(behind_proxy, headers, secure):
    await behind_proxy.post("/api/v1/auth/register", json={**ADA, **SETUP})
    response = await behind_proxy.post("/api/v1/auth/login", json=ADA, headers=headers)
    cookies = response.headers.get_list("Set-Cookie")
    assert len(cookies) == 2
    assert all(("Secure" in one, "SameSite=lax" in one) == (secure, True) for one in cookies)
    prefix = "__Host-" if secure else ""
    assert [one.partition("=")[0] for one in cookies] == [f"{prefix}session_id", f"{prefix}csrf_token"]
    assert ["HttpOnly" in one for one in cookies] == [True, False]
    assert all("Path=/;" in f"{one};" and "Domain" not in one for one in cookies)


async def cookie_of(client, name, headers):
    """The session cookie of somebody who signs in over this connection, as `name=value`."""
    who = {"email": f"{name}@example.org", "password": ADA["password"]}
    await client.post("/api/v1/auth/register", json={**who, **SETUP})
    response = await client.post("/api/v1/auth/login", json=who, headers=headers)
    client.cookies.clear()
    return response.headers.get_list("Set-Cookie")[0].partition(";")[0]


async def test_over_tls_a_cookie_that_a_sibling_domain_planted_counts_for_nothing(behind_proxy):
    mine = await cookie_of(behind_proxy, "ada", BY_TLS)
    planted = await cookie_of(behind_proxy, "eve", {})
    assert (mine.partition("=")[0], planted.partition("=")[0]) == ("__Host-session_id", "session_id")
    for both in (f"{planted}; {mine}", f"{mine}; {planted}"):
        response = await behind_proxy.get("/api/v1/auth/me", headers={**BY_TLS, "Cookie": both})
        assert response.json()["username"] == "ada"
    alone = [(BY_TLS, planted, 401), ({}, mine, 401), (BY_TLS, mine, 200), ({}, planted, 200)]
    for headers, cookie, status in alone:
        assert (await behind_proxy.get("/api/v1/auth/me", headers={**headers, "Cookie": cookie})).status_code == status


async def test_signing_out_removes_the_cookies_by_the_names_they_have(behind_proxy):
    mine = await cookie_of(behind_proxy, "ada", BY_TLS)
    headers = {**BY_TLS, "Cookie": mine, "Origin": "https://watchkeeper.test"}
    gone = (await behind_proxy.post("/api/v1/auth/logout", headers=headers)).headers.get_list("Set-Cookie")
    assert [one.partition("=")[0] for one in gone] == ["__Host-session_id", "__Host-csrf_token"]
    assert all("Max-Age=0" in one and "Secure" in one and "Path=/" in one for one in gone)
