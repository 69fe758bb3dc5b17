"""Document 002, example by example: signing in."""

import pytest

from tests.app.api.people import SETUP
from tests.seeds.example import API, covers, example


@pytest.mark.parametrize(
    ("path", "asked"),
    [("token", "auth_token_request"), ("token", "auth_login_request"), ("login", "auth_login_request")],
)
async def test_a_token_is_had_for_credentials(client, path, asked):
    credentials = example("auth_login_request")
    await client.post(f"{API}/auth/register", json={**credentials, **SETUP, "username": "admin"})
    reply = await client.post(f"{API}/auth/{path}", json=example(asked))
    assert reply.status_code == 200, reply.text
    covers(reply.json(), example("auth_token_reply"))
    told = reply.json()
    assert (told["token_type"], told["user"]["email"], told["user"]["is_admin"]) == ("bearer", "user@example.com", True)
    mine = await client.get(f"{API}/checks", headers={"Authorization": f"Bearer {told['access_token']}"})
    assert mine.status_code == 200


async def test_a_token_is_had_by_the_oauth2_password_flow(client):
    await client.post(f"{API}/auth/register", json={**example("auth_login_request"), **SETUP, "username": "admin"})
    form = {**example("auth_token_request"), "grant_type": "password"}
    reply = await client.post(f"{API}/auth/token", data=form)
    assert reply.status_code == 200, reply.text
    covers(reply.json(), example("auth_token_reply"))
