"""Common passwords are rejected, others are accepted."""

import pytest

from app.domain.identity.password_strength import COMMON, OWN_NAME, PATTERN, find_weakness

KNOWN = frozenset({"1q2w3e4r5t", "iloveyou123", "enterprise"})
NAMES = ("ada", "lovelace@example.org")


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("1q2w3e4r5t", COMMON),
        ("ILoveYou123", COMMON),
        ("3nterpri$e", COMMON),
        ("Password2026!", COMMON),
        ("!!p4ssw0rd!!", COMMON),
        ("Summer-2026", COMMON),
        ("abcdefghijkl", COMMON),
        ("9876543210", COMMON),
        ("aaaaaaaaaaaa", PATTERN),
        ("1212121212", PATTERN),
        ("lovelace@example.org", OWN_NAME),
        ("Lovelace12", OWN_NAME),
        ("lovelacelovelace", OWN_NAME),
        ("correct horse", None),
        ("your_password", None),
        ("seven green boats", None),
        ("lovelace never met a green whale", None),
        ("adamant-quilt-77", None),
        ("kV8!s0q2Lw", None),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(password: str, why: str | None) -> None:
    assert find_weakness(password, KNOWN, NAMES) == why


@pytest.mark.parametrize("why", [COMMON, PATTERN])
def test_the_message_names_what_is_valid(why: str) -> None:
    assert "three or four unrelated words" in why
