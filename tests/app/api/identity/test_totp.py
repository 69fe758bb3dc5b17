"""One-time codes and recovery codes, through the front door."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import pyotp
import pytest

from app import db
from app.security.secrets import signed_tokens
from tests.app.api.running_app import ADA, ADMIN_TOKEN, Client, Headers, bearer

SignUp = Callable[..., Awaitable[dict[str, Any]]]
AUTH = "/api/v1/auth"
PASSWORD = {"password": ADA["password"]}
NOW_S = 1_795_000_010.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What time the codes are of: ours to move."""
    now = {"now": NOW_S}
    monkeypatch.setattr("app.store.identity.mfa.clock", SimpleNamespace(now_ms=lambda: int(now["now"] * 1000)))
    return now


@pytest.fixture
async def secret(client: Client, admin: Headers) -> str:
    """The secret of Ada's app; not verified yet."""
    response = await client.post(f"{AUTH}/2fa/setup", json=PASSWORD, headers=admin)
    assert response.status_code == 200, response.text
    found: str = response.json()["secret"]
    return found


@pytest.fixture
async def codes(client: Client, admin: Headers, secret: str, clock: dict[str, float]) -> list[str]:
    """Ada's recovery codes, with her app switched on; the code she showed is spent."""
    payload = {"token": code_at(secret, clock["now"])}
    response = await client.post(f"{AUTH}/2fa/verify", json=payload, headers=admin)
    assert response.status_code == 200, response.text
    clock["now"] += 30
    found: list[str] = response.json()["recovery_codes"]
    return found


def code_at(secret: str, at_s: float = NOW_S, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(int(at_s) + 30 * steps)


async def sign_in(client: Client, token: str | None = None) -> tuple[int, dict[str, Any]]:
    response = await client.post(f"{AUTH}/login", json={**ADA, **({"token": token} if token else {})})
    client.cookies.clear()
    return response.status_code, response.json()


async def test_the_setup_is_returned_as_text_address_and_picture(client: Client, admin: Headers) -> None:
    body = (await client.post(f"{AUTH}/2fa/setup", json=PASSWORD, headers=admin)).json()
    assert pyotp.parse_uri(body["otpauth_uri"]).secret == body["secret"]
    assert ET.fromstring(body["qr_svg"]).tag == "{http://www.w3.org/2000/svg}svg"


async def test_no_code_is_required_until_one_was_verified(client: Client, secret: str) -> None:
    assert (await sign_in(client))[0] == 200


async def test_the_secret_is_stored_sealed_and_recovery_codes_hashed(secret: str, codes: list[str]) -> None:
    rows = str([dict(row) for table in ("totp", "recovery_codes") for row in await db.rows(f"SELECT * FROM {table}")])
    assert "sealed:" in rows
    assert not [one for one in (secret, *codes, *(code.replace("-", "") for code in codes)) if one in rows]


async def test_a_wrong_code_switches_nothing_on(client: Client, admin: Headers, secret: str) -> None:
    response = await client.post(f"{AUTH}/2fa/verify", json={"token": code_at(secret, steps=5)}, headers=admin)
    assert response.json()["error"]["details"]["fields"][0]["field"] == "token"
    assert (await sign_in(client))[0] == 200


async def test_signing_in_without_a_code_differs_from_a_wrong_password(client: Client, codes: list[str]) -> None:
    status, login = await sign_in(client)
    assert (status, login["error"]["code"]) == (401, "TWO_FACTOR_REQUIRED")
    assert login["error"]["details"]["methods"] == ["totp", "recovery_code"]
    wrong = await client.post(f"{AUTH}/login", json={**ADA, "password": "wrong", "token": codes[0]})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "UNAUTHORIZED")
    assert (await sign_in(client, codes[0]))[0] == 200  # the wrong password did not spend it


@pytest.mark.parametrize(("steps", "status"), [(-2, 401), (-1, 401), (0, 200), (1, 200), (2, 401)])
async def test_a_code_is_good_a_step_early_or_late_and_never_before_the_last_one(
    client: Client, secret: str, codes: list[str], clock: dict[str, float], steps: int, status: int
) -> None:
    assert (await sign_in(client, code_at(secret, clock["now"], steps)))[0] == status


async def test_a_late_code_is_good_when_none_was_used_since(
    client: Client, secret: str, codes: list[str], clock: dict[str, float]
) -> None:
    clock["now"] += 90
    assert (await sign_in(client, code_at(secret, clock["now"], -1)))[0] == 200


async def test_a_code_used_concurrently_signs_in_once(
    client: Client, secret: str, codes: list[str], clock: dict[str, float]
) -> None:
    for token in (code_at(secret, clock["now"]), codes[0]):
        responses = await asyncio.gather(*(sign_in(client, token) for _ in range(4)))
        assert sorted(status for status, _ in responses) == [200, 401, 401, 401]


async def test_a_repeated_code_is_refused_as_used_and_is_no_guess(
    client: Client, secret: str, codes: list[str], clock: dict[str, float]
) -> None:
    mfa_token = (await sign_in(client))[1]["error"]["details"]["mfa_token"]
    for token in (code_at(secret, clock["now"]), codes[0]):
        payload = {"mfa_token": mfa_token, "token": token}
        responses = await asyncio.gather(*(client.post(f"{AUTH}/2fa/login", json=payload) for _ in range(4)))
        client.cookies.clear()
        (first,) = (one for one in responses if one.status_code == 200)
        refused = [one for one in responses if one is not first]
        assert {(one.status_code, "already used" in one.text) for one in refused} == {(401, True)}
        assert (await client.get(f"{AUTH}/me", headers=bearer(first.json()))).status_code == 200
    assert await db.rows("SELECT * FROM login_failures") == []
    await client.post(f"{AUTH}/2fa/login", json={"mfa_token": mfa_token, "token": "not a code"})
    assert len(await db.rows("SELECT * FROM login_failures")) == 1


async def test_the_code_that_enabled_two_factor_login_cannot_sign_in(
    client: Client, secret: str, codes: list[str]
) -> None:
    assert (await sign_in(client, code_at(secret)))[0] == 401


async def test_there_are_ten_recovery_codes_each_good_once_in_any_case(client: Client, codes: list[str]) -> None:
    assert len(set(codes)) == 10
    assert all(re.fullmatch(r"[a-z2-7]{4}(-[a-z2-7]{4}){3}", code) for code in codes)
    assert (await sign_in(client, codes[3].upper().replace("-", " ")))[0] == 200
    assert (await sign_in(client, codes[3]))[0] == 401


async def test_the_mfa_token_stands_for_the_password_and_for_nothing_else(
    client: Client, secret: str, codes: list[str], clock: dict[str, float]
) -> None:
    mfa_token = (await sign_in(client))[1]["error"]["details"]["mfa_token"]
    assert (await client.get(f"{AUTH}/me", headers={"Authorization": f"Bearer {mfa_token}"})).status_code == 401
    bad = await client.post(f"{AUTH}/2fa/login", json={"mfa_token": mfa_token, "token": "000000"})
    good = await client.post(f"{AUTH}/2fa/login", json={"mfa_token": mfa_token, "token": code_at(secret, clock["now"])})
    assert (bad.status_code, good.status_code) == (401, 200)
    assert (await client.get(f"{AUTH}/me", headers=bearer(good.json()))).json()["two_factor"]["totp"] is True


@pytest.mark.parametrize(("kind", "lives_s"), [("second-step", -1), ("another", 60)])
async def test_an_mfa_token_that_is_old_or_of_another_kind_is_refused(
    client: Client, admin: Headers, codes: list[str], kind: str, lives_s: int
) -> None:
    me = (await client.get(f"{AUTH}/me", headers=admin)).json()
    mfa_token = signed_tokens.issue_token(kind, lives_s, sub=me["id"], mark="x")
    response = await client.post(f"{AUTH}/2fa/login", json={"mfa_token": mfa_token, "token": codes[0]})
    assert response.status_code == 401


async def test_an_mfa_token_ends_with_the_password_it_stands_for(client: Client, codes: list[str]) -> None:
    mfa_token = (await sign_in(client))[1]["error"]["details"]["mfa_token"]
    await db.rows("UPDATE users SET password_hash = 'another'")
    assert (await client.post(f"{AUTH}/2fa/login", json={"mfa_token": mfa_token, "token": codes[0]})).status_code == 401


async def test_switching_it_on_and_off_ends_the_other_sessions(
    client: Client, admin: Headers, secret: str, clock: dict[str, float]
) -> None:
    other = bearer((await sign_in(client))[1])
    on = await client.post(f"{AUTH}/2fa/verify", json={"token": code_at(secret)}, headers=admin)
    assert (await client.get(f"{AUTH}/me", headers=other)).status_code == 401
    codes = on.json()["recovery_codes"]
    another = bearer((await sign_in(client, codes[0]))[1])
    off = await client.post(f"{AUTH}/2fa/disable", json={**PASSWORD, "token": codes[1]}, headers=admin)
    assert off.status_code == 204
    assert (await client.get(f"{AUTH}/me", headers=another)).status_code == 401
    assert (await client.get(f"{AUTH}/me", headers=admin)).json()["two_factor"]["enabled"] is False
    assert (await sign_in(client))[0] == 200


@pytest.mark.parametrize("proof", [{"password": "wrong"}, {"token": "000000"}])
async def test_both_factors_are_wanted_to_switch_it_off(
    client: Client, admin: Headers, codes: list[str], proof: Headers
) -> None:
    payload = {**PASSWORD, "token": codes[0], **proof}
    assert (await client.post(f"{AUTH}/2fa/disable", json=payload, headers=admin)).status_code == 401
    assert (await sign_in(client))[0] == 401


async def test_new_recovery_codes_take_the_place_of_the_old(client: Client, admin: Headers, codes: list[str]) -> None:
    path = f"{AUTH}/2fa/recovery-codes"
    assert (await client.post(path, json=PASSWORD, headers=admin)).status_code == 422
    fresh = (await client.post(path, json={**PASSWORD, "token": codes[0]}, headers=admin)).json()
    assert fresh["two_factor"]["recovery_codes"] == 10
    assert (await sign_in(client, codes[1]))[0] == 401
    assert (await sign_in(client, fresh["recovery_codes"][0]))[0] == 200


@pytest.mark.parametrize("path", ["disable", "recovery-codes"])
async def test_without_a_second_factor_there_is_nothing_to_change(client: Client, admin: Headers, path: str) -> None:
    response = await client.post(f"{AUTH}/2fa/{path}", json={**PASSWORD, "token": "000000"}, headers=admin)
    assert (response.status_code, response.json()["error"]["code"]) == (409, "CONFLICT")


async def test_a_secret_in_use_is_not_replaced(client: Client, admin: Headers, codes: list[str]) -> None:
    assert (await client.post(f"{AUTH}/2fa/setup", json=PASSWORD, headers=admin)).status_code == 409
    assert (await client.post(f"{AUTH}/2fa/verify", json={"token": "000000"}, headers=admin)).status_code == 409


async def test_the_installations_own_token_has_no_second_factor(client: Client) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    assert (await client.post(f"{AUTH}/2fa/setup", json=PASSWORD, headers=headers)).status_code == 403
    assert (await client.get(f"{AUTH}/me", headers=headers)).json()["two_factor"]["enabled"] is False


@pytest.mark.parametrize(("token", "status"), [(None, 422), ("000000", 401), ("good", 200)])
async def test_another_address_wants_a_code_besides_the_password(
    client: Client, admin: Headers, codes: list[str], token: str | None, status: int
) -> None:
    payload = {**PASSWORD, "email": "eve@example.org", "token": codes[0] if token == "good" else token}
    assert (await client.patch(f"{AUTH}/me", json=payload, headers=admin)).status_code == status


async def test_a_set_up_waits_a_quarter_of_an_hour_for_its_code(
    client: Client, admin: Headers, secret: str, clock: dict[str, float]
) -> None:
    clock["now"] += 901
    late = await client.post(f"{AUTH}/2fa/verify", json={"token": code_at(secret, clock["now"])}, headers=admin)
    assert late.status_code == 409
    assert (await sign_in(client))[0] == 200
