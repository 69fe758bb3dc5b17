"""The first user needs the set-up token, wherever the request seems to come from."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from app import setup_token
from app.settings import Settings
from tests.app.api.running_app import ADA, Client, Headers, calling, served

PATH = "/api/v1/auth/register"
REQUEST_HEADERS = [  # what a request may look like that was made on this machine, and one that a proxy passed on
    {},
    {"Host": "127.0.0.1:8034"},
    {"Host": "localhost"},
    {"Origin": "http://localhost:3000"},
    {"Origin": "http://127.0.0.1:8034", "Sec-Fetch-Site": "same-origin"},
    {"Host": "watch.example.org", "CF-Connecting-IP": "203.0.113.7"},
    {"X-Client-IP": "127.0.0.1"},
    {"X-Forwarded-For": "203.0.113.7"},
    {"Origin": "https://evil.example"},
]


@pytest.fixture(params=["127.0.0.1", "0.0.0.0"])
def fresh(database: Settings, request: pytest.FixtureRequest) -> Settings:
    """An installation without users, on loopback only and on every address."""
    (database.data_dir / setup_token.FILE_NAME).unlink()  # the one that is known to the other tests
    return replace(database, server_host=str(request.param))


@pytest.fixture
async def client(fresh: Settings) -> AsyncIterator[Client]:
    """A client of it."""
    async with calling(served(fresh)) as one:
        yield one


async def test_the_first_user_needs_the_token_and_it_goes_with_them(client: Client, fresh: Settings) -> None:
    path = fresh.data_dir / setup_token.FILE_NAME
    assert path.stat().st_mode & 0o777 == 0o600
    for wrong in ({}, {"setup_token": ""}, {"setup_token": "guess"}, {"setup_token": None}, {"setup_token": "é"}):
        response = await client.post(PATH, json={**ADA, **wrong})
        assert (response.status_code, response.json()["error"]["code"]) == (403, "FORBIDDEN")
        assert setup_token.FILE_NAME in response.json()["error"]["message"]
    response = await client.post(PATH, json={**ADA, "setup_token": setup_token.get_token(fresh)})
    assert (response.status_code, response.json()["role"]) == (201, "admin")
    assert not path.exists()


@pytest.mark.parametrize("headers", REQUEST_HEADERS, ids=str)
async def test_no_request_header_replaces_the_setup_token(client: Client, fresh: Settings, headers: Headers) -> None:
    assert (await client.post(PATH, json=ADA, headers=headers)).status_code == 403
    proof = {"setup_token": setup_token.get_token(fresh)}
    assert (await client.post(PATH, json={**ADA, **proof}, headers=headers)).status_code == 201


async def test_concurrent_uses_of_the_token_create_one_first_user(client: Client, fresh: Settings) -> None:
    proof = {"setup_token": setup_token.get_token(fresh)}
    drafts = [{**ADA, **proof, "email": f"user{no}@example.org"} for no in range(5)]
    responses = await asyncio.gather(*(client.post(PATH, json=draft) for draft in drafts))
    assert sorted(response.status_code for response in responses) == [201, 403, 403, 403, 403]


async def test_the_terminal_shows_once_what_to_do(fresh: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    async with calling(served(fresh)) as client:
        printed = capsys.readouterr().err
        assert f'"setup_token": "{setup_token.get_token(fresh)}"' in printed
        assert printed.count("setup_token") == 1
        await client.post(PATH, json={**ADA, "setup_token": setup_token.get_token(fresh)})
    async with calling(served(fresh)):
        assert "setup" not in capsys.readouterr().err


async def test_a_token_that_was_deleted_is_made_anew(client: Client, fresh: Settings) -> None:
    old = setup_token.get_token(fresh)
    (fresh.data_dir / setup_token.FILE_NAME).unlink()
    assert (await client.post(PATH, json={**ADA, "setup_token": old})).status_code == 403
    assert (await client.post(PATH, json={**ADA, "setup_token": setup_token.get_token(fresh)})).status_code == 201


async def test_later_users_need_no_token(fresh: Settings) -> None:
    async with calling(served(replace(fresh, registration_open=True))) as client:
        await client.post(PATH, json={**ADA, "setup_token": setup_token.get_token(fresh)})
        response = await client.post(PATH, json={**ADA, "email": "bob@example.org"})
        assert (response.status_code, response.json()["role"]) == (201, "viewer")
