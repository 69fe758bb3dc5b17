"""Sessions over HTTP: seen by whose they are and by admins, and over when they are ended."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.store.identity import sessions
from tests.app.api.running_app import ADA, ADMIN_TOKEN, Client, bearer

PATH, ME, LOGIN = "/api/v1/sessions", "/api/v1/auth/me", "/api/v1/auth/login"
ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
BOB = {"email": "bob@example.org"}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

SignUp = Callable[..., Awaitable[dict[str, Any]]]


async def again(client: Client, agent: str = FIREFOX, **changes: str) -> dict[str, Any]:
    """Another sign-in of Ada."""
    response = await client.post(LOGIN, json={**ADA, **changes}, headers={"User-Agent": agent})
    client.cookies.clear()
    body: dict[str, Any] = response.json()
    return body


async def listed(client: Client, login: dict[str, Any], question: str = "") -> list[dict[str, Any]]:
    response = await client.get(f"{PATH}?{question}", headers=bearer(login))
    found: list[dict[str, Any]] = response.json()["sessions"]
    assert response.json()["total"] == len(found)
    return found


async def test_the_shapes_are_those_of_document_003(client: Client, signed_up: SignUp) -> None:
    login = await signed_up()
    response = (await client.get(f"{PATH}?active=true", headers=bearer(login))).json()
    assert {"total", "sessions"} == set(response)
    assert {"id", "user_id", "created", "last_accessed"} <= set(response["sessions"][0])
    one = (await client.get(f"{PATH}/{response['sessions'][0]['id']}", headers=bearer(login))).json()
    assert {"id", "created", "last_accessed", "expires", "data"} <= set(one)
    assert {"user_id", "ip"} <= set(one["data"])
    assert one["data"]["user_id"] == login["user"]["id"]
    page = (await client.get(f"{PATH}?page=1&limit=50&sort=created&order=desc", headers=bearer(login))).json()
    assert (page["data"], page["pagination"]["total"]) == ([one], 1)


async def test_a_session_shows_how_and_where_it_began(client: Client, signed_up: SignUp) -> None:
    first = await signed_up()
    second = await again(client)
    found = await listed(client, second, "sort=created&order=desc")
    assert [(one["current"], one["data"]["device"]) for one in found] == [
        (True, "Firefox on Linux"),
        (False, "python-httpx"),
    ]
    assert {one["data"]["ip"] for one in found} == {"127.0.0.1"}
    assert {one["user_id"] for one in found} == {first["user"]["id"]}


async def test_others_see_their_own_sessions_and_admins_everybodys(client: Client, signed_up: SignUp) -> None:
    ada, bob = await signed_up(), await signed_up(**BOB)
    assert {one["data"]["username"] for one in await listed(client, ada)} == {"ada", "bob"}
    assert {one["data"]["username"] for one in await listed(client, bob)} == {"bob"}
    assert {one["data"]["username"] for one in await listed(client, bob, f"user_id={ada['user']['id']}")} == {"bob"}
    assert len(await listed(client, ada, f"user_id={bob['user']['id']}")) == 1


async def test_a_session_of_another_user_is_not_found_and_continues(client: Client, signed_up: SignUp) -> None:
    ada, bob = await signed_up(), await signed_up(**BOB)
    (session,) = await listed(client, ada, f"user_id={ada['user']['id']}")
    for verb in (client.get, client.delete):
        response = await verb(f"{PATH}/{session['id']}", headers=bearer(bob))
        assert (response.status_code, response.json()["error"]["details"]["resource"]) == (404, "session")
    assert (await client.get(ME, headers=bearer(ada))).status_code == 200


async def test_a_session_that_is_ended_is_refused_and_listed_as_ended(client: Client, signed_up: SignUp) -> None:
    ada, bob = await signed_up(), await signed_up(**BOB)
    (session,) = await listed(client, bob)
    assert (await client.delete(f"{PATH}/{session['id']}", headers=bearer(ada))).status_code == 204
    assert (await client.get(ME, headers=bearer(bob))).status_code == 401
    assert session["id"] not in {one["id"] for one in await listed(client, ada, "active=true")}
    ended = await listed(client, ada, "active=false")
    assert [(one["id"], one["active"]) for one in ended] == [(session["id"], False)]


@pytest.mark.parametrize(("question", "left"), [("", 200), ("?all=true", 401)])
async def test_ending_all_keeps_the_caller_s_own_unless_requested(
    client: Client, signed_up: SignUp, question: str, left: int
) -> None:
    ada, bob = await signed_up(), await signed_up(**BOB)
    other = await again(client, **BOB)
    assert (await client.delete(f"{PATH}{question}", headers=bearer(bob))).status_code == 204
    codes = [(await client.get(ME, headers=bearer(one))).status_code for one in (ada, other, bob)]
    assert codes == [200, 401, left]


async def test_an_admin_ends_everybodys_sessions(client: Client, signed_up: SignUp) -> None:
    ada, bob = await signed_up(), await signed_up(**BOB)
    assert (await client.delete(PATH, headers=bearer(ada))).status_code == 204
    codes = [(await client.get(ME, headers=bearer(one))).status_code for one in (ada, bob)]
    assert codes == [200, 401]


async def test_an_admin_ends_all_sessions_of_one_user(client: Client, signed_up: SignUp) -> None:
    ada, bob, eve = await signed_up(), await signed_up(**BOB), await signed_up(email="eve@example.org")
    response = await client.delete(f"{PATH}?user_id={bob['user']['id']}", headers=ADMIN_HEADERS)
    assert response.status_code == 204
    codes = [(await client.get(ME, headers=bearer(one))).status_code for one in (ada, bob, eve)]
    assert codes == [200, 401, 200]


async def test_a_session_ended_by_another_process_ends_here_too(
    client: Client, signed_up: SignUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = await signed_up()
    (session,) = await listed(client, login)
    remembered = dict(sessions._cache)
    await sessions.end(session["id"])
    sessions._cache.update(remembered)  # as a process that missed the change
    monkeypatch.setattr(sessions, "CACHE_S", 0.0)  # and whose second has passed
    assert (await client.get(ME, headers=bearer(login))).status_code == 401


@pytest.mark.parametrize("question", ["active=maybe", "sort=colour", "order=up", "colour=red", "page=0", "limit=101"])
async def test_a_question_that_makes_no_sense_is_refused_by_its_name(client: Client, question: str) -> None:
    response = await client.get(f"{PATH}?{question}", headers=ADMIN_HEADERS)
    assert response.status_code == 422
    assert response.json()["error"]["details"]["fields"][0]["field"] == question.partition("=")[0]
