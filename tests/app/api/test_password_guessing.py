"""Signing in by guessing: through the front door, from many addresses and for many users."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import httpx
import pyotp
import pytest
from litestar import Litestar

from app.security.limits.brute_force import WIDE_FACTOR
from app.settings import Settings
from tests.app.api.running_app import ADA, Client, Headers, bearer, calling, served

pytestmark = pytest.mark.either_engine

SignUp = Callable[..., Awaitable[dict[str, Any]]]
AUTH = "/api/v1/auth"
LOGIN, TOKEN = f"{AUTH}/login", f"{AUTH}/token"
MOST = 3
WRONG = {**ADA, "password": "a guess"}


@pytest.fixture
def application(database: Settings) -> Litestar:
    """The application behind a proxy that it trusts, with a short lockout."""
    proxies = (ip_network("127.0.0.1"),)  # where httpx says that it comes from
    return served(replace(database, registration_open=True, bruteforce_max_attempts=MOST, trusted_proxies=proxies))


@pytest.fixture
async def direct(database: Settings) -> AsyncIterator[Client]:
    """The same without a trusted proxy."""
    app = served(replace(database, registration_open=True, bruteforce_max_attempts=MOST))
    async with calling(app) as one:
        yield one


async def from_address(client: Client, address: str, login: dict[str, str]) -> httpx.Response:
    return await client.post(LOGIN, json=login, headers={"X-Forwarded-For": address})


async def test_too_many_wrong_passwords_are_answered_with_a_time_to_wait(client: Client, signed_up: SignUp) -> None:
    await signed_up()
    responses = [await client.post(LOGIN, json=WRONG) for _ in range(MOST + 1)]
    assert [response.status_code for response in responses] == [401] * MOST + [429]
    error = responses[-1].json()["error"]
    assert error["code"] == "RATE_LIMITED"
    assert 1 <= error["retry_after"] <= 60
    assert responses[-1].headers["Retry-After"] == str(error["retry_after"])


async def test_not_even_the_right_password_is_taken_meanwhile(client: Client, signed_up: SignUp) -> None:
    await signed_up()
    for _ in range(MOST):
        await client.post(LOGIN, json=WRONG)
    assert (await client.post(LOGIN, json=ADA)).status_code == 429


async def test_a_form_counts_with_json(client: Client, signed_up: SignUp) -> None:
    await signed_up()
    form = {"username": ADA["email"], "password": "a guess"}
    codes = [(await client.post(TOKEN, data=form)).status_code for _ in range(MOST)]
    assert [*codes, (await client.post(LOGIN, json=WRONG)).status_code] == [401] * MOST + [429]


async def test_known_and_unknown_users_are_refused_alike(client: Client, signed_up: SignUp) -> None:
    await signed_up()
    answers = []
    for number, email in enumerate((ADA["email"], "nobody@example.org")):
        responses = [
            await from_address(client, f"192.0.2.{number}", {"email": email, "password": "x"}) for _ in range(MOST + 1)
        ]
        answers.append([(response.status_code, response.json()["error"]["message"]) for response in responses])
    assert answers[0] == answers[1]


@pytest.mark.usefixtures("real_passwords")
async def test_concurrent_passwords_stay_within_the_limit(client: Client, signed_up: SignUp) -> None:
    await signed_up()
    responses = await asyncio.gather(*(client.post(LOGIN, json=WRONG) for _ in range(40)))
    codes = [response.status_code for response in responses]
    assert set(codes) <= {401, 429}
    assert codes.count(401) <= MOST


async def test_guesses_from_many_addresses_block_them_and_not_the_owner(client: Client, signed_up: SignUp) -> None:
    await signed_up()
    assert (await from_address(client, "198.51.100.7", ADA)).status_code == 200
    codes = [
        (await from_address(client, f"192.0.2.{number}", WRONG)).status_code for number in range(MOST * WIDE_FACTOR + 1)
    ]
    assert codes == [401] * MOST * WIDE_FACTOR + [429]
    assert (await from_address(client, "198.51.100.7", ADA)).status_code == 200


async def test_an_address_that_guesses_for_many_users_is_rate_limited(client: Client) -> None:
    codes = [
        (await from_address(client, "192.0.2.1", {"email": f"user{number}@x.org", "password": "x"})).status_code
        for number in range(MOST * WIDE_FACTOR + 1)
    ]
    assert codes == [401] * MOST * WIDE_FACTOR + [429]


async def test_a_client_s_claim_about_its_address_changes_nothing(direct: Client) -> None:
    codes = [(await from_address(direct, f"192.0.2.{number}", WRONG)).status_code for number in range(MOST + 1)]
    assert codes == [401] * MOST + [429]


async def test_an_address_in_front_of_the_trusted_proxys_entry_changes_nothing(client: Client) -> None:
    codes = [
        (await from_address(client, f"192.0.2.{number}, 203.0.113.9", WRONG)).status_code for number in range(MOST + 1)
    ]
    assert codes == [401] * MOST + [429]


async def test_guessing_gets_slow_without_redis_too(database: Settings) -> None:
    away = replace(database, bruteforce_max_attempts=MOST, redis_url="redis://127.0.0.1:9/0")
    async with calling(served(away)) as client:
        codes = [(await client.post(LOGIN, json=WRONG)).status_code for _ in range(MOST + 1)]
    assert codes == [401] * MOST + [429]


async def set_up(client: Client, headers: Headers) -> str:
    """The secret of Ada's app, before any code was entered."""
    response = await client.post(f"{AUTH}/2fa/setup", json={"password": ADA["password"]}, headers=headers)
    return str(response.json()["secret"])


async def test_codes_are_guessed_slowly_while_an_app_is_set_up(client: Client, signed_up: SignUp) -> None:
    headers = bearer(await signed_up())
    good = pyotp.TOTP(await set_up(client, headers)).now()
    guesses = ["abcdef"] * MOST + [good]
    codes = [
        (await client.post(f"{AUTH}/2fa/verify", json={"token": one}, headers=headers)).status_code for one in guesses
    ]
    assert codes == [422] * MOST + [429]


async def test_the_second_step_resets_wrong_passwords_and_makes_the_address_familiar(
    client: Client, signed_up: SignUp
) -> None:
    headers = bearer(await signed_up())
    code = pyotp.TOTP(await set_up(client, headers)).now()
    on = await client.post(f"{AUTH}/2fa/verify", json={"token": code}, headers=headers)
    for spare in on.json()["recovery_codes"][:2]:
        codes = [(await from_address(client, "198.51.100.7", WRONG)).status_code for _ in range(MOST - 1)]
        mfa_token = (await from_address(client, "198.51.100.7", ADA)).json()["error"]["details"]["mfa_token"]
        payload = {"mfa_token": mfa_token, "token": spare}
        done = await client.post(f"{AUTH}/2fa/login", json=payload, headers={"X-Forwarded-For": "198.51.100.7"})
        assert [*codes, done.status_code] == [401] * (MOST - 1) + [200]
    for number in range(MOST * WIDE_FACTOR):
        await from_address(client, f"192.0.2.{number}", WRONG)
    assert (await from_address(client, "192.0.2.200", ADA)).status_code == 429
    assert (await from_address(client, "198.51.100.7", ADA)).json()["error"]["code"] == "TWO_FACTOR_REQUIRED"
