"""Signing keys: the newest signs, and those before it verify until the last token they signed has expired."""

from collections.abc import Iterator
from time import time

import pytest

from app.errors import Unauthorized
from app.security.auth import keyring, tokens
from app.security.auth.keyring import SigningKey

SID = "6f0f3a0e-1111-4222-8333-944455556666"
MADE = {tokens.refresh_token: tokens.sid_of_refresh, tokens.session_cookie: tokens.sid_of_cookie}


@pytest.fixture(autouse=True)
def keyring_files() -> Iterator[None]:
    yield
    keyring.set_keys(())


def key(name: str, age_s: float) -> SigningKey:
    return SigningKey(id=name, secret=name.encode() * 16, signs_from_s=time() - age_s)


def access() -> str:
    return tokens.access_token("user", SID, int(time()))


def test_the_newest_key_signs_and_one_with_a_head_start_only_verifies() -> None:
    keyring.set_keys([key("next", -10), key("old", 1_000), key("new", 1)])
    assert keyring.current_key().id == "new"
    assert "next" in {one.id for one in keyring.verification_keys(tokens.ACCESS_LIFETIME_S)}


def test_without_keys_of_the_store_one_of_the_installation_signs() -> None:
    token = access()
    keyring.set_keys([key("new", 0)])
    assert keyring.current_key().id == "new"
    assert tokens.sid_of_access(token) == SID


@pytest.mark.parametrize("make", list(MADE))
def test_tokens_of_the_key_before_are_good_until_they_expire(make) -> None:
    keyring.set_keys([key("old", tokens.REFRESH_LIFETIME_S * 2)])
    token, csrf, jwt = make(SID), tokens.csrf_token(SID), access()
    keyring.set_keys([key("old", tokens.REFRESH_LIFETIME_S * 2), key("new", tokens.ACCESS_LIFETIME_S - 10)])
    assert (MADE[make](token), tokens.sid_of_access(jwt), tokens.is_csrf_token(SID, csrf)) == (SID, SID, True)
    keyring.set_keys([key("old", tokens.REFRESH_LIFETIME_S * 2), key("new", tokens.ACCESS_LIFETIME_S + 10)])
    assert (MADE[make](token), tokens.is_csrf_token(SID, csrf)) == (SID, True)
    with pytest.raises(Unauthorized):
        tokens.sid_of_access(jwt)
    keyring.set_keys([key("old", tokens.REFRESH_LIFETIME_S * 2), key("new", tokens.REFRESH_LIFETIME_S + 10)])
    assert not tokens.is_csrf_token(SID, csrf)
    with pytest.raises(Unauthorized):
        MADE[make](token)


def test_a_key_is_not_taken_for_another_of_the_same_name() -> None:
    keyring.set_keys([key("new", 1)])
    token = access()
    keyring.set_keys([SigningKey(id="new", secret=b"another secret", signs_from_s=0)])
    with pytest.raises(Unauthorized):
        tokens.sid_of_access(token)


def test_each_purpose_has_its_own_derived_key() -> None:
    one = key("new", 1)
    assert len({one.derive(purpose) for purpose in ("jwt", "refresh", "cookie", "csrf")}) == 4
