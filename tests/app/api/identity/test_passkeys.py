"""Passkeys through the front door, with an authenticator that really signs."""

import asyncio
from collections.abc import Awaitable, Callable
from copy import copy
from typing import Any

import pytest

from app import db
from app.security.limits import failed_logins
from schema.login_attempts import AuthMethod, FailedLoginKey
from tests.app.api.authenticator import PRESENT, Authenticator, text_of
from tests.app.api.running_app import ADA, HOME, Client, Headers, bearer

SignUp = Callable[..., Awaitable[dict[str, Any]]]
AUTH = "/api/v1/auth"
PASSKEYS = f"{AUTH}/passkeys"
PASSWORD = {"password": ADA["password"]}
PAGE = {"Origin": HOME}


async def prepared(client: Client, headers: Headers) -> dict[str, Any]:
    response = await client.post(f"{PASSKEYS}/options", json=PASSWORD, headers={**headers, **PAGE})
    assert response.status_code == 200, response.text
    options: dict[str, Any] = response.json()["public_key"]
    return options


async def register(client: Client, headers: Headers, device: Authenticator, name: str = "Key") -> dict[str, Any]:
    payload = {"name": name, "credential": device.create(await prepared(client, headers))}
    response = await client.post(PASSKEYS, json=payload, headers={**headers, **PAGE})
    assert response.status_code == 201, response.text
    added: dict[str, Any] = response.json()
    return added


async def mfa_token(client: Client) -> str:
    response = await client.post(f"{AUTH}/login", json=ADA)
    assert response.json()["error"]["code"] == "TWO_FACTOR_REQUIRED", response.text
    found: str = response.json()["error"]["details"]["mfa_token"]
    return found


async def challenged(client: Client) -> tuple[str, dict[str, Any]]:
    """An MFA token, and the options for its second step."""
    mine = await mfa_token(client)
    response = await client.post(f"{PASSKEYS}/login/options", json={"mfa_token": mine}, headers=PAGE)
    assert response.status_code == 200, response.text
    return mine, response.json()["public_key"]


async def sign_in(client: Client, mine: str, credential: dict[str, Any], origin: str = HOME) -> tuple[int, Any]:
    payload = {"mfa_token": mine, "credential": credential}
    response = await client.post(f"{PASSKEYS}/login", json=payload, headers={"Origin": origin})
    client.cookies.clear()
    return response.status_code, response.json()


@pytest.fixture
def device() -> Authenticator:
    return Authenticator(HOME)


async def test_a_user_with_a_passkey_needs_password_and_passkey(
    client: Client, admin: Headers, device: Authenticator
) -> None:
    added = await register(client, admin, device)
    assert (added["passkey"]["site"], added["passkey"]["transports"]) == ("watchkeeper.test", ["internal"])
    mine, options = await challenged(client)
    status, login = await sign_in(client, mine, device.get(options))
    assert status == 200, login
    me = (await client.get(f"{AUTH}/me", headers=bearer(login))).json()
    assert me["two_factor"] == {"enabled": True, "totp": False, "passkeys": 1, "recovery_codes": 10}


async def test_the_first_one_comes_with_recovery_codes_the_second_without(
    client: Client, admin: Headers, device: Authenticator
) -> None:
    codes = (await register(client, admin, device))["recovery_codes"]
    assert (await register(client, admin, Authenticator(HOME), "Second"))["recovery_codes"] is None
    response = await client.post(f"{AUTH}/login", json={**ADA, "token": codes[0]})
    assert response.status_code == 200


async def test_registering_ends_the_other_sessions(
    client: Client, admin: Headers, signed_up: SignUp, device: Authenticator
) -> None:
    other = bearer(await signed_up())
    await register(client, admin, device)
    assert (await client.get(f"{AUTH}/me", headers=other)).status_code == 401
    assert (await client.get(f"{AUTH}/me", headers=admin)).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [{"rp_id": "evil.example"}, {"challenge": text_of(b"x" * 32)}, {"flags": 0}],
    ids=lambda one: next(iter(one)),
)
async def test_an_answer_to_something_else_is_refused(
    client: Client, admin: Headers, device: Authenticator, wrong: dict[str, Any]
) -> None:
    await register(client, admin, device)
    mine, options = await challenged(client)
    assert (await sign_in(client, mine, device.get(options, **wrong)))[0] == 401


async def test_a_key_that_only_proves_presence_is_enough(client: Client, admin: Headers, device: Authenticator) -> None:
    await register(client, admin, device)
    mine, options = await challenged(client)
    assert (await sign_in(client, mine, device.get(options, flags=PRESENT)))[0] == 200


async def test_an_answer_made_on_another_page_is_refused(client: Client, admin: Headers, device: Authenticator) -> None:
    await register(client, admin, device)
    mine, options = await challenged(client)
    device.origin = "http://evil.example"
    signed = device.get(options)
    assert (await sign_in(client, mine, signed))[0] == 401
    assert (await sign_in(client, mine, signed, "http://evil.example"))[0] == 403


async def test_another_devices_signature_is_refused(client: Client, admin: Headers, device: Authenticator) -> None:
    await register(client, admin, device)
    failed_logins.clear_counts()
    mine, options = await challenged(client)
    stranger = Authenticator(HOME)
    assert (await sign_in(client, mine, stranger.get(options)))[0] == 401
    mine, options = await challenged(client)
    stranger.credential_id = device.credential_id
    assert (await sign_in(client, mine, stranger.get(options)))[0] == 401
    me = (await client.get("/api/v1/auth/me", headers=admin)).json()["id"]
    assert failed_logins.due_entries(0.0, is_final=True) == [
        (FailedLoginKey(AuthMethod.PASSKEY, "127.0.0.1", me, locked=False), 2)
    ]


async def test_a_challenge_is_answered_once(client: Client, admin: Headers, device: Authenticator) -> None:
    await register(client, admin, device)
    mine, options = await challenged(client)
    signed = device.get(options)
    responses = await asyncio.gather(*(sign_in(client, mine, signed) for _ in range(4)))
    assert sorted(status for status, _ in responses) == [200, 401, 401, 401]


async def test_a_challenge_ends_after_five_minutes(client: Client, admin: Headers, device: Authenticator) -> None:
    await register(client, admin, device)
    mine, options = await challenged(client)
    await db.rows("UPDATE webauthn_challenges SET expires_ms = expires_ms - 300001")
    assert (await sign_in(client, mine, device.get(options)))[0] == 401


async def test_a_copied_key_is_found_by_its_count(client: Client, admin: Headers, device: Authenticator) -> None:
    await register(client, admin, device)
    clone = copy(device)
    for one, expected in ((device, 200), (clone, 401), (device, 200)):
        mine, options = await challenged(client)
        assert (await sign_in(client, mine, one.get(options)))[0] == expected


async def test_a_passkey_of_another_site_is_not_requested(
    client: Client, admin: Headers, device: Authenticator
) -> None:
    await register(client, admin, device)
    await db.rows("UPDATE passkeys SET rp_id = 'elsewhere.test'")
    response = await client.post(f"{PASSKEYS}/login/options", json={"mfa_token": await mfa_token(client)}, headers=PAGE)
    assert (response.status_code, response.json()["error"]["code"]) == (409, "CONFLICT")


async def test_registration_wants_the_password_our_page_and_a_host_with_a_name(client: Client, admin: Headers) -> None:
    async def status(sent_headers: Headers, headers: Headers) -> int:
        return (await client.post(f"{PASSKEYS}/options", json=sent_headers, headers={**admin, **headers})).status_code

    assert await status({"password": "wrong"}, PAGE) == 401
    assert await status(PASSWORD, {"Origin": "https://evil.example"}) == 403
    assert await status(PASSWORD, {"Origin": "http://127.0.0.1", "Host": "127.0.0.1"}) == 409
    assert await status(PASSWORD, {"Origin": "http://localhost:3000"}) == 200  # CLIENT_URL


async def test_a_wrong_challenge_ends_the_registration(client: Client, admin: Headers, device: Authenticator) -> None:
    options = await prepared(client, admin)
    payload = {"name": "Key", "credential": device.create({**options, "challenge": text_of(b"x" * 32)})}
    rejected = await client.post(PASSKEYS, json=payload, headers={**admin, **PAGE})
    assert rejected.json()["error"]["details"]["fields"][0]["field"] == "credential"
    payload["credential"] = device.create(options)
    again = await client.post(PASSKEYS, json=payload, headers={**admin, **PAGE})
    assert again.status_code == 401  # the challenge was for one try


async def test_a_registered_device_is_excluded_and_not_registered_twice(
    client: Client, admin: Headers, device: Authenticator
) -> None:
    await register(client, admin, device)
    options = await prepared(client, admin)
    assert [one["id"] for one in options["excludeCredentials"]] == [text_of(device.credential_id)]
    payload = {"name": "Again", "credential": device.create(options)}
    assert (await client.post(PASSKEYS, json=payload, headers={**admin, **PAGE})).status_code == 409


async def test_passkeys_are_listed_named_and_removed_but_for_the_last(
    client: Client, admin: Headers, device: Authenticator
) -> None:
    first = (await register(client, admin, device, "First"))["passkey"]["id"]
    second = (await register(client, admin, Authenticator(HOME), "Second"))["passkey"]["id"]
    renamed = await client.patch(f"{PASSKEYS}/{second}", json={"name": "Telephone"}, headers=admin)
    listed = (await client.get(PASSKEYS, headers=admin)).json()
    page = (await client.get(PASSKEYS, params={"limit": 1, "page": 2}, headers=admin)).json()
    assert [one["name"] for one in listed["passkeys"]] == ["First", "Telephone"]
    assert (listed["total"], page["data"], page["pagination"]["pages"]) == (2, [renamed.json()], 2)
    assert (await client.delete(f"{PASSKEYS}/{first}", headers=admin)).status_code == 204
    assert (await client.delete(f"{PASSKEYS}/{second}", headers=admin)).status_code == 409


async def test_passkeys_of_another_user_cannot_be_changed(
    client: Client, admin: Headers, viewer: Headers, device: Authenticator
) -> None:
    id_ = (await register(client, admin, device))["passkey"]["id"]
    assert (await client.patch(f"{PASSKEYS}/{id_}", json={"name": "Mine"}, headers=viewer)).status_code == 404
    assert (await client.delete(f"{PASSKEYS}/{id_}", headers=viewer)).status_code == 404
    assert (await client.get(PASSKEYS, headers=viewer)).json() == {"passkeys": [], "total": 0}


async def test_passkeys_go_with_everything_when_the_second_factor_is_switched_off(
    client: Client, admin: Headers, device: Authenticator
) -> None:
    codes = (await register(client, admin, device))["recovery_codes"]
    payload = {**PASSWORD, "token": codes[0]}
    assert (await client.post(f"{AUTH}/2fa/disable", json=payload, headers=admin)).status_code == 204
    assert (await client.get(PASSKEYS, headers=admin)).json()["total"] == 0
    assert (await client.post(f"{AUTH}/login", json=ADA)).status_code == 200
