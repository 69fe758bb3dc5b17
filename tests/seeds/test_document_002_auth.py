"""Document 002, example by example: signing in."""

import pytest

from tests.app.api.running_app import SETUP
from tests.seeds.example import API, covers, example


@pytest.mark.parametrize(
    ("path", "params"),
    [("token", "auth_token_request"), ("token", "auth_login_request"), ("login", "auth_login_request")],
)
async def test_a_token_is_had_for_credentials(client, path, params):
    credentials = example("auth_login_request")
    await client.post(f"{API}/auth/register", json={**credentials, **SETUP, "username": "admin"})
    response = await client.post(f"{API}/auth/{path}", json=example(params))
    assert response.status_code == 200, response.text
    covers(response.json(), example("auth_token_reply"))
    body = response.json()
    assert (body["token_type"], body["user"]["email"], body["user"]["is_admin"]) == ("bearer", "user@example.com", True)
    mine = await client.get(f"{API}/checks", headers={"Authorization": f"Bearer {body['access_token']}"})
    assert mine.status_code == 200


async def test_a_token_is_had_by_the_oauth2_password_flow(client):
    await client.post(f"{API}/auth/register", json={**example("auth_login_request"), **SETUP, "username": "admin"})
    form = {**example("auth_token_request"), "grant_type": "password"}
    response = await client.post(f"{API}/auth/token", data=form)
    assert response.status_code == 200, response.text
    covers(response.json(), example("auth_token_reply"))
