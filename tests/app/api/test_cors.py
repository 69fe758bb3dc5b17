"""Pages of CLIENT_URL may read responses in a browser; other origins may not."""

from dataclasses import replace

import pytest

from app.settings import Settings
from tests.app.api.running_app import ADA, ADMIN_TOKEN, SETUP, calling, served

pytestmark = pytest.mark.either_engine

PATH = "/api/v1/proxies"
OURS, THEIRS = "http://localhost:3000", "https://evil.example"
REQUEST_HEADERS = (
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "x-api-key",
    "x-csrf-token",
    "x-request-id",
)


def preflight(origin, method="PATCH", headers="x-api-key"):
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_a_preflight_from_the_front_end_is_let_through(client, method):
    response = await client.options(PATH, headers=preflight(OURS, method, ", ".join(REQUEST_HEADERS)))
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == OURS
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert method in response.headers["Access-Control-Allow-Methods"]
    allowed = response.headers["Access-Control-Allow-Headers"].lower()
    assert all(name in allowed for name in REQUEST_HEADERS)


async def test_a_preflight_from_elsewhere_is_not(client):
    response = await client.options(PATH, headers=preflight(THEIRS))
    assert response.status_code == 400
    assert "Access-Control-Allow-Origin" not in response.headers


async def test_the_front_end_may_read_answers_and_their_headers_by_api_key(client):
    response = await client.get(PATH, headers={"Origin": OURS, "X-API-Key": ADMIN_TOKEN})
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (200, OURS)
    exposed = response.headers["Access-Control-Expose-Headers"]
    assert all(name in exposed for name in ("ETag", "X-Request-ID", "Idempotency-Replayed", "Retry-After"))


@pytest.mark.parametrize("origin", [THEIRS, "null", "http://localhost:3000.evil.example", "http://localhost:30001"])
async def test_another_origin_cannot_read_a_response(client, origin):
    response = await client.get(PATH, headers={"Origin": origin, "X-API-Key": ADMIN_TOKEN})
    assert "Access-Control-Allow-Origin" not in response.headers


async def test_a_refusal_can_be_read_by_the_front_end_too(client):
    response = await client.get(PATH, headers={"Origin": OURS})
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (401, OURS)


async def test_a_front_end_with_a_name_in_another_script_is_known_by_what_browsers_send(database: Settings) -> None:
    origin = "https://xn--wchter-bua.example:8443"
    settings = replace(database, client_url="https://wächter.example:8443", registration_open=True)
    async with calling(served(settings)) as client:
        response = await client.options(PATH, headers=preflight(origin))
        assert response.headers["Access-Control-Allow-Origin"] == origin
        await client.post("/api/v1/auth/register", json={**ADA, **SETUP}, headers={"Origin": origin})
        login = await client.post("/api/v1/auth/login", json=ADA, headers={"Origin": origin})
        assert login.status_code == 200
