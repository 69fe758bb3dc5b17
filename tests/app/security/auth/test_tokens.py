"""Tokens of a session are accepted only if signed by us, unexpired and of the right kind."""

from time import time

import pytest

from app.errors import Unauthorized
from app.security.auth import tokens
from app.security.secrets import sealing
from app.settings import Settings

SID = "6f0f3a0e-1111-4222-8333-944455556666"


def now_s() -> int:
    return int(time())


def test_an_access_token_names_its_session() -> None:
    assert tokens.sid_of_access(tokens.access_token("user", SID, now_s())) == SID


def test_an_access_token_expires() -> None:
    with pytest.raises(Unauthorized, match="expired"):
        tokens.sid_of_access(tokens.access_token("user", SID, now_s() - tokens.ACCESS_LIFETIME_S - 1))


def test_refresh_tokens_and_cookies_name_their_session() -> None:
    assert tokens.sid_of_refresh(tokens.refresh_token(SID)) == SID
    assert tokens.sid_of_cookie(tokens.session_cookie(SID)) == SID
    assert tokens.refresh_token(SID) != tokens.refresh_token(SID)


def test_the_successor_of_a_refresh_token_is_the_same_each_time_and_of_the_same_session() -> None:
    first, other = tokens.refresh_token(SID), tokens.refresh_token(SID)
    assert tokens.successor_of(first) == tokens.successor_of(first)
    assert len({first, other, tokens.successor_of(first), tokens.successor_of(other)}) == 4
    assert tokens.sid_of_refresh(tokens.successor_of(first)) == SID
    assert tokens.successor_of(first) in set(tokens.possible_successors(first))


def test_another_installation_derives_another_successor(keys: Settings) -> None:
    token = tokens.refresh_token(SID)
    successor = tokens.successor_of(token)
    sealing.prepare(_Other())  # type: ignore[arg-type]  # the one setting it reads
    with pytest.raises(Unauthorized):
        tokens.successor_of(token)
    with pytest.raises(Unauthorized):
        tokens.sid_of_refresh(successor)


@pytest.mark.parametrize("token", ["", "x", f"{SID}.x", f"{SID}.", "a.b.c", "\u00e4.\u00e4", "."])
def test_unsigned_tokens_are_rejected_by_every_reader(token: str) -> None:
    for read in (tokens.sid_of_access, tokens.sid_of_refresh, tokens.sid_of_cookie):
        with pytest.raises(Unauthorized):
            read(token)


def test_refresh_tokens_and_cookies_are_not_interchangeable() -> None:
    with pytest.raises(Unauthorized):
        tokens.sid_of_cookie(tokens.refresh_token(SID))
    with pytest.raises(Unauthorized):
        tokens.sid_of_refresh(tokens.session_cookie(SID))


def test_the_csrf_token_belongs_to_one_session() -> None:
    assert tokens.is_csrf_token(SID, tokens.csrf_token(SID))
    assert not tokens.is_csrf_token(SID, tokens.csrf_token("another"))
    assert not tokens.is_csrf_token(SID, "")


def test_another_installations_tokens_are_refused(keys: Settings) -> None:
    token = tokens.access_token("user", SID, now_s())
    sealing.prepare(_Other())  # type: ignore[arg-type]  # the one setting it reads
    with pytest.raises(Unauthorized):
        tokens.sid_of_access(token)


class _Other:
    api_secret_key = "the secret of somebody else"
    api_secret_key_previous = ""
