"""The first user: whoever is at this machine, or shows the set-up token."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from app import welcome
from app.main import create_app
from app.settings import Settings
from tests.app.api.people import ADA, Client, Headers, calling

PATH = "/api/v1/auth/register"
OUTSIDE = [
    {"X-Forwarded-For": "203.0.113.7"},
    {"X-Forwarded-Host": "watch.example.org"},
    {"X-Real-IP": "203.0.113.7"},
    {"Forwarded": "for=203.0.113.7"},
    {"Via": "1.1 proxy"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
]


@pytest.fixture
def reachable(database: Settings) -> Settings:
    """Listening on every address."""
    return replace(database, server_host="0.0.0.0")


@pytest.fixture
async def outside(reachable: Settings) -> AsyncIterator[Client]:
    """A client of an installation that others can reach."""
    async with calling(create_app(reachable)) as one:
        yield one


async def test_from_outside_the_first_user_needs_the_token_and_it_goes_with_them(
    outside: Client, reachable: Settings
) -> None:
    path = reachable.data_dir / welcome.FILE
    assert path.stat().st_mode & 0o777 == 0o600
    for wrong in ({}, {"setup_token": ""}, {"setup_token": "guess"}, {"setup_token": None}):
        reply = await outside.post(PATH, json={**ADA, **wrong})
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "FORBIDDEN")
        assert welcome.FILE in reply.json()["error"]["message"]
    reply = await outside.post(PATH, json={**ADA, "setup_token": welcome.token(reachable)})
    assert (reply.status_code, reply.json()["role"]) == (201, "admin")
    assert not path.exists()


async def test_of_many_with_the_token_one_becomes_the_first_user(outside: Client, reachable: Settings) -> None:
    shown = {"setup_token": welcome.token(reachable)}
    drafts = [{**ADA, **shown, "email": f"user{no}@example.org"} for no in range(5)]
    replies = await asyncio.gather(*(outside.post(PATH, json=draft) for draft in drafts))
    assert sorted(reply.status_code for reply in replies) == [201, 403, 403, 403, 403]


async def test_the_person_at_the_terminal_is_told_once_with_what_to_do(
    reachable: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    async with calling(create_app(reachable)) as client:
        shown = capsys.readouterr().err
        assert f'"setup_token": "{welcome.token(reachable)}"' in shown
        assert shown.count("setup_token") == 1
        await client.post(PATH, json={**ADA, "setup_token": welcome.token(reachable)})
    async with calling(create_app(reachable)):
        assert "setup" not in capsys.readouterr().err


@pytest.mark.parametrize("headers", OUTSIDE, ids=str)
async def test_what_a_proxy_or_a_strange_page_sends_counts_as_outside(database: Settings, headers: Headers) -> None:
    async with calling(create_app(database)) as client:
        assert (await client.post(PATH, json=ADA, headers=headers)).status_code == 403
        shown = {"setup_token": welcome.token(database)}
        assert (await client.post(PATH, json={**ADA, **shown}, headers=headers)).status_code == 201


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://localhost:3000"}, {"Origin": "http://127.0.0.1:8034"}])
async def test_at_this_machine_no_token_is_needed(database: Settings, headers: Headers) -> None:
    async with calling(create_app(database)) as client:
        assert not (database.data_dir / welcome.FILE).exists()
        assert (await client.post(PATH, json=ADA, headers=headers)).status_code == 201


async def test_later_users_need_no_token(reachable: Settings) -> None:
    async with calling(create_app(replace(reachable, registration_open=True))) as client:
        await client.post(PATH, json={**ADA, "setup_token": welcome.token(reachable)})
        reply = await client.post(PATH, json={**ADA, "email": "bob@example.org"})
        assert (reply.status_code, reply.json()["role"]) == (201, "viewer")
