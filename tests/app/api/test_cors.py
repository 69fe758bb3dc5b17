"""Pages of CLIENT_URL may call us from a browser; those of nobody else may."""

import pytest

from tests.app.api.people import ADMIN_TOKEN

pytestmark = pytest.mark.either_engine

PATH = "/api/v1/proxies"
OURS, THEIRS = "http://localhost:3000", "https://evil.example"
ASKED = ("authorization", "content-type", "idempotency-key", "if-match", "x-api-key", "x-csrf-token", "x-request-id")


def preflight(origin, method="PATCH", headers="x-api-key"):
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_a_preflight_from_the_front_end_is_let_through(client, method):
    reply = await client.options(PATH, headers=preflight(OURS, method, ", ".join(ASKED)))
    assert reply.status_code == 204
    assert reply.headers["Access-Control-Allow-Origin"] == OURS
    assert reply.headers["Access-Control-Allow-Credentials"] == "true"
    assert method in reply.headers["Access-Control-Allow-Methods"]
    allowed = reply.headers["Access-Control-Allow-Headers"].lower()
    assert all(name in allowed for name in ASKED)


async def test_a_preflight_from_elsewhere_is_not(client):
    reply = await client.options(PATH, headers=preflight(THEIRS))
    assert reply.status_code == 400
    assert "Access-Control-Allow-Origin" not in reply.headers


async def test_the_front_end_may_read_answers_and_their_headers_by_api_key(client):
    reply = await client.get(PATH, headers={"Origin": OURS, "X-API-Key": ADMIN_TOKEN})
    assert (reply.status_code, reply.headers["Access-Control-Allow-Origin"]) == (200, OURS)
    exposed = reply.headers["Access-Control-Expose-Headers"]
    assert all(name in exposed for name in ("ETag", "X-Request-ID", "Idempotency-Replayed", "Retry-After"))


@pytest.mark.parametrize("origin", [THEIRS, "null", "http://localhost:3000.evil.example", "http://localhost:30001"])
async def test_nobody_elses_page_may_read_an_answer(client, origin):
    reply = await client.get(PATH, headers={"Origin": origin, "X-API-Key": ADMIN_TOKEN})
    assert "Access-Control-Allow-Origin" not in reply.headers


async def test_a_refusal_can_be_read_by_the_front_end_too(client):
    reply = await client.get(PATH, headers={"Origin": OURS})
    assert (reply.status_code, reply.headers["Access-Control-Allow-Origin"]) == (401, OURS)
