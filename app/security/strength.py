"""Refuses passwords that would be guessed. The list of common ones is read when the first is asked about."""

from functools import cache
from pathlib import Path

from app.domain import credentials
from app.errors import Invalid

COMMON = Path(__file__).with_name("common-passwords.txt")


def require(password: str, *names: str, field: str = "password") -> None:
    """Raise Invalid, saying what is wrong and what would be right.

    names    what the user is called, which must not be the password either
    """
    if why := credentials.weakness(password, _common(), names):
        raise Invalid.one(field, why)


@cache
def _common() -> frozenset[str]:
    lines = COMMON.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))
