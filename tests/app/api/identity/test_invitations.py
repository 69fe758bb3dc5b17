"""Invitations over HTTP: a link that lets one person in, once, for a week."""

import asyncio
from typing import Any

import pytest

from app import db
from tests.app.api.running_app import ADMIN_TOKEN, Client, Headers, bearer

PATH, ACCEPT = "/api/v1/invitations", "/api/v1/invitations/accept"
ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
BOB = {"email": "Bob@example.org", "role": "operator"}
PASSWORD = "seven green boats"


async def invited(client: Client, **changes: Any) -> dict[str, Any]:
    response = await client.post(PATH, json={**BOB, **changes}, headers=ADMIN_HEADERS)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def accepted(client: Client, token: str, **changes: Any) -> Any:
    response = await client.post(ACCEPT, json={"token": token, "password": PASSWORD, **changes})
    client.cookies.clear()
    return response


async def test_a_guest_chooses_name_and_password_and_is_signed_in(client: Client) -> None:
    made = await invited(client)
    response = await accepted(client, made["token"], username="Robert")
    assert {"session_id", "csrf_token"} <= {one.partition("=")[0] for one in response.headers.get_list("set-cookie")}
    me = (await client.get("/api/v1/auth/me", headers=bearer(response.json()))).json()
    assert (me["username"], me["email"], me["role"]) == ("robert", "bob@example.org", "operator")


async def test_the_token_is_returned_once_and_stored_as_a_hash(client: Client) -> None:
    made = await invited(client)
    responses = [
        await client.get(PATH, headers=ADMIN_HEADERS),
        await client.get(f"{PATH}/{made['id']}", headers=ADMIN_HEADERS),
    ]
    assert all(made["token"] not in response.text for response in responses)
    assert made["token"] not in str([dict(row) for row in await db.rows("SELECT * FROM invitations")])


async def test_an_invitation_lets_one_in_however_many_come_at_once(client: Client) -> None:
    made = await invited(client)
    responses = await asyncio.gather(*(accepted(client, made["token"], username=f"user{no}") for no in range(4)))
    assert sorted(response.status_code for response in responses) == [200, 403, 403, 403]
    assert (await accepted(client, made["token"])).status_code == 403
    assert (await client.get(f"{PATH}?status=accepted", headers=ADMIN_HEADERS)).json()["total"] == 1


async def test_a_taken_name_leaves_the_invitation_usable(client: Client, viewer: Headers) -> None:
    made = await invited(client, email="eve@example.org")
    assert (await accepted(client, made["token"], username="bob")).status_code == 409
    assert (await accepted(client, made["token"])).status_code == 200


async def test_after_a_week_it_is_too_late(client: Client) -> None:
    made = await invited(client)
    await db.rows("UPDATE invitations SET expires_ms = 1")
    assert (await accepted(client, made["token"])).status_code == 403
    assert (await client.get(f"{PATH}/{made['id']}", headers=ADMIN_HEADERS)).json()["status"] == "expired"


async def test_a_revoked_invitation_cannot_be_accepted(client: Client) -> None:
    made = await invited(client)
    at = f"{PATH}/{made['id']}"
    assert [(await client.delete(at, headers=ADMIN_HEADERS)).status_code for _ in range(2)] == [204, 204]
    assert (await accepted(client, made["token"])).status_code == 403
    assert (await client.get(at, headers=ADMIN_HEADERS)).json()["status"] == "revoked"


async def test_an_accepted_one_can_not_be_revoked(client: Client) -> None:
    made = await invited(client)
    await accepted(client, made["token"])
    assert (await client.delete(f"{PATH}/{made['id']}", headers=ADMIN_HEADERS)).status_code == 409


async def test_a_second_invitation_takes_the_place_of_the_first(client: Client) -> None:
    first, second = await invited(client), await invited(client, role="viewer")
    assert (await accepted(client, first["token"])).status_code == 403
    assert (await accepted(client, second["token"])).json()["user"]["role"] == "viewer"


async def test_an_existing_user_cannot_be_invited(client: Client, viewer: Headers) -> None:
    assert (await client.post(PATH, json=BOB, headers=ADMIN_HEADERS)).status_code == 409


async def test_a_list_is_whole_or_paged_and_filtered(client: Client) -> None:
    await invited(client)
    await invited(client, email="eve@example.org")
    whole = (await client.get(f"{PATH}?sort=email&order=asc", headers=ADMIN_HEADERS)).json()
    assert [one["email"] for one in whole["invitations"]] == ["bob@example.org", "eve@example.org"]
    paged = (await client.get(f"{PATH}?limit=1&q=EVE&status=open", headers=ADMIN_HEADERS)).json()
    assert ([one["email"] for one in paged["data"]], paged["pagination"]["total"]) == (["eve@example.org"], 1)


async def test_a_repeated_acceptance_points_to_sign_in_and_is_no_guess(client: Client) -> None:
    made = await invited(client)
    first = await accepted(client, made["token"])
    again = await accepted(client, made["token"])
    assert (again.status_code, "Sign in" in again.text) == (403, True)
    assert (await client.get("/api/v1/auth/me", headers=bearer(first.json()))).status_code == 200
    assert await db.rows("SELECT * FROM login_failures") == []
    await accepted(client, "a guess")
    assert len(await db.rows("SELECT * FROM login_failures")) == 1


async def test_the_token_of_a_revoked_invitation_is_no_guess(client: Client) -> None:
    made = await invited(client)
    await client.delete(f"{PATH}/{made['id']}", headers=ADMIN_HEADERS)
    assert (await accepted(client, made["token"])).status_code == 403
    assert await db.rows("SELECT * FROM login_failures") == []


@pytest.mark.parametrize("guess", ["", "x", "a" * 43])
async def test_a_guess_is_refused(client: Client, guess: str) -> None:
    await invited(client)
    assert (await accepted(client, guess)).status_code == 403


async def test_only_admins_invite(client: Client, viewer: Headers) -> None:
    made = await invited(client, email="eve@example.org")
    responses = [
        await client.get(PATH, headers=viewer),
        await client.post(PATH, json={"email": "x@example.org", "role": "admin"}, headers=viewer),
        await client.delete(f"{PATH}/{made['id']}", headers=viewer),
    ]
    assert {response.status_code for response in responses} == {403}
