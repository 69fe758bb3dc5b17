"""Passwords are stored as argon2id, and an account without a password matches none."""

import pytest

from app.security.credentials import passwords

pytestmark = pytest.mark.usefixtures("real_passwords")


async def test_a_password_matches_its_hash_and_no_other() -> None:
    stored = await passwords.hash_password("correct horse")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.matches("correct horse", stored)
    assert not await passwords.matches("correct hors", stored)


async def test_the_same_password_is_never_hashed_alike() -> None:
    assert await passwords.hash_password("again") != await passwords.hash_password("again")


@pytest.mark.parametrize("guess", ["", "nobody has this password", "x"])
async def test_an_empty_password_never_matches(guess: str) -> None:
    assert not await passwords.matches(guess, None)


async def test_a_hash_that_is_none_matches_nothing() -> None:
    assert not await passwords.matches("x", "not a hash")
