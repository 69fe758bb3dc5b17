"""Basic authentication replaces the password only: it never bypasses a second factor, and its input is bounded."""

from base64 import b64encode

import pytest

from app.store.identity import basic_auth, mfa, users
from tests.app.api.running_app import ADA, Client, Headers

ME = "/api/v1/auth/me"


def basic(login: str, password: str = ADA["password"]) -> Headers:
    return {"Authorization": f"Basic {b64encode(f'{login}:{password}'.encode()).decode()}"}


@pytest.mark.usefixtures("admin")
async def test_users_with_a_second_factor_cannot_use_basic(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await client.get(ME, headers=basic(ADA["email"]))).status_code == 200
    account = await users.find_by_login(ADA["email"])
    assert account is not None
    await mfa.begin_setup(account.id)
    monkeypatch.setattr("app.security.credentials.totp.step_of", lambda *_: 1)
    fit = await mfa.match_code(account.id, "000000")
    assert fit is not None
    assert await mfa.confirm_setup(account.id, fit)
    basic_auth.clear_cache()
    response = await client.get(ME, headers=basic(ADA["email"]))
    assert (response.status_code, "API key" in response.json()["error"]["message"]) == (401, True)
    wrong = await client.get(ME, headers=basic(ADA["email"], "not my password"))
    assert "API key" not in wrong.json()["error"]["message"]


@pytest.mark.usefixtures("admin")
@pytest.mark.parametrize(("login", "password"), [("a" * 255, "p"), ("a", "p" * 257)])
async def test_impossible_names_and_passwords_are_not_looked_up(client: Client, login: str, password: str) -> None:
    response = await client.get(ME, headers=basic(login, password))
    assert (response.status_code, "base64" in response.json()["error"]["message"]) == (401, True)
