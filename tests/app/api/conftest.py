"""The application as its clients see it, on a real store, with signed-in users."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from litestar import Litestar

from app.settings import Settings
from app.store.identity import credential_caches
from tests.app.api.running_app import ADA, ADMIN_TOKEN, SETUP, Client, Headers, bearer, calling, served, set_up


@pytest.fixture
def database(database: Settings) -> Settings:
    """The empty database, beside a set-up token that is known."""
    set_up(database)
    return database


@pytest.fixture
def application(database: Settings) -> Litestar:
    """The application; registration is open."""
    credential_caches.clear_caches()
    many = 1_000_000  # wrong passwords are tried by the hundred; `test_password_guessing` has its own
    settings = replace(database, registration_open=True, api_admin_token=ADMIN_TOKEN, bruteforce_max_attempts=many)
    return served(settings)


@pytest.fixture
async def client(application: Litestar) -> AsyncIterator[Client]:
    """A client without credentials."""
    async with calling(application) as one:
        yield one


@pytest.fixture
def signed_up(client: Client) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Registers and signs in somebody; what login answers."""

    async def sign_up(**changes: Any) -> dict[str, Any]:
        await client.post("/api/v1/auth/register", json={**ADA, **SETUP, **changes})
        response = await client.post("/api/v1/auth/login", json={**ADA, **changes})
        assert response.status_code == 200, response.text
        client.cookies.clear()
        body: dict[str, Any] = response.json()
        return body

    return sign_up


@pytest.fixture
async def admin(signed_up: Callable[..., Awaitable[dict[str, Any]]]) -> Headers:
    """The first user, by access token."""
    return bearer(await signed_up())


@pytest.fixture
async def viewer(admin: Headers, signed_up: Callable[..., Awaitable[dict[str, Any]]]) -> Headers:
    """The second user, who may only look."""
    return bearer(await signed_up(email="bob@example.org"))
