"""Rate limits over HTTP: whom they count, what their headers say, and which routes are exempt."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from time import time
from typing import Any

import pytest
from litestar import Litestar

from app.env_vars import Rate
from app.settings import Settings
from tests.app.api.running_app import ADA, ADMIN_TOKEN, Client, Headers, bearer, calling, served

pytestmark = pytest.mark.either_engine

SignUp = Callable[..., Awaitable[dict[str, Any]]]
ME, LOGIN, MONITORS = "/api/v1/auth/me", "/api/v1/auth/login", "/api/v1/monitors"
READ, WRITE, AUTH = 5, 2, 8
LIMIT_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


@pytest.fixture
def application(database: Settings) -> Litestar:
    """The application with narrow limits."""
    narrow = replace(
        database,
        registration_open=True,
        api_admin_token=ADMIN_TOKEN,
        rate_limit_auth=Rate(AUTH, 3_600),
        rate_limit_read=Rate(READ, 3_600),
        rate_limit_write=Rate(WRITE, 3_600),
    )
    return served(narrow)


async def codes(client: Client, times: int, path: str = ME, headers: Headers | None = None) -> list[int]:
    return [(await client.get(path, headers=headers)).status_code for _ in range(times)]


async def test_every_reply_has_the_remaining_requests_and_the_reset(client: Client, admin: Headers) -> None:
    responses = [await client.get(ME, headers=admin) for _ in range(2)]
    assert [response.headers["X-RateLimit-Limit"] for response in responses] == [str(READ)] * 2
    assert [response.headers["X-RateLimit-Remaining"] for response in responses] == [str(READ - 1), str(READ - 2)]
    assert time() - 1 < int(responses[-1].headers["X-RateLimit-Reset"]) < time() + 3_600


async def test_beyond_the_limit_a_reply_has_the_wait(client: Client, admin: Headers) -> None:
    assert await codes(client, READ + 1, headers=admin) == [200] * READ + [429]
    response = await client.get(ME, headers=admin)
    error = response.json()["error"]
    assert (error["code"], error["message"]) == ("RATE_LIMITED", "API rate limit exceeded")
    assert response.headers["Retry-After"] == str(error["retry_after"])
    assert 1 <= error["retry_after"] <= 3_600 // READ
    assert response.headers["X-RateLimit-Remaining"] == "0"


async def test_principals_do_not_use_up_each_others_limits(client: Client, admin: Headers, viewer: Headers) -> None:
    await codes(client, READ + 1, headers=admin)
    assert await codes(client, 1, headers=viewer) == [200]


async def test_sessions_of_one_person_share_a_limit(client: Client, signed_up: SignUp) -> None:
    one, other = bearer(await signed_up()), bearer(await signed_up())
    assert await codes(client, READ, headers=one) == [200] * READ
    assert await codes(client, 1, headers=other) == [429]


async def test_reading_and_changing_are_counted_apart(client: Client, admin: Headers) -> None:
    changes = [await client.patch(ME, json={"username": "lovelace"}, headers=admin) for _ in range(WRITE + 1)]
    assert [response.status_code for response in changes] == [200] * WRITE + [429]
    assert await codes(client, 1, headers=admin) == [200]


async def test_requests_without_credentials_are_counted_by_address(client: Client) -> None:
    assert await codes(client, READ + 1) == [401] * READ + [429]
    assert await codes(client, 1, headers={"X-API-Key": ADMIN_TOKEN}) == [200]


async def test_bad_credentials_are_counted_by_address(client: Client) -> None:
    guesses = [(await client.get(ME, headers={"X-API-Key": f"guess {number}"})).status_code for number in range(READ)]
    assert [*guesses, *await codes(client, 1)] == [401] * READ + [429]


async def test_signing_in_has_a_limit_of_its_own_whatever_credential_comes_with_it(client: Client) -> None:
    for number in range(AUTH + 1):
        headers = {"Authorization": f"Bearer old{number}"}
        response = await client.post(LOGIN, json={**ADA, "email": f"user{number}@example.org"}, headers=headers)
    assert response.status_code == 429
    assert response.json()["error"]["details"] == {"limit": AUTH}
    assert await codes(client, 1) == [401]


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/api/v1/health", "/api/v1/ready", "/api/v1/push/x"])
async def test_requests_of_machines_have_no_limit(client: Client, path: str) -> None:
    responses = [await client.get(path) for _ in range(READ + 2)]
    assert {response.status_code for response in responses} <= {200, 404, 503}
    assert not [name for response in responses for name in LIMIT_HEADERS if name in response.headers]


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/v1/nothing"), ("DELETE", ME), ("GET", "/api/v1/version")])
async def test_replies_that_no_handler_gave_have_the_headers_too(client: Client, method: str, path: str) -> None:
    response = await client.request(method, path)
    assert set(LIMIT_HEADERS) <= {name.title().replace("Ratelimit", "RateLimit") for name in response.headers}


async def test_limits_hold_without_redis(database: Settings) -> None:
    away = replace(database, rate_limit_read=Rate(READ, 3_600), redis_url="redis://127.0.0.1:9/0")
    async with calling(served(away)) as client:
        assert await codes(client, READ + 1) == [401] * READ + [429]


async def test_a_limit_can_be_switched_off(database: Settings) -> None:
    async with calling(served(replace(database, rate_limit_read=None))) as client:
        response = await client.get(ME)
    assert not [name for name in LIMIT_HEADERS if name in response.headers]


def test_limits_are_on_when_nothing_is_set(settings: Settings) -> None:
    limits = (settings.rate_limit_auth, settings.rate_limit_read, settings.rate_limit_write, settings.rate_limit_run)
    assert None not in limits
