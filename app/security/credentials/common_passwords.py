"""Refuses passwords that would be guessed. The list of common ones is read when the first is asked about."""

from functools import cache

from app.domain.identity import password_strength
from app.errors import Invalid


def require_strong_password(password: str, *names: str, field: str = "password") -> None:
    """Raise Invalid, saying what is wrong and what would be right.

    names    what the user is called, which must not be the password either
    """
    if why := password_strength.find_weakness(password, _common_passwords(), names):
        raise Invalid.for_field(field, why)


@cache
def _common_passwords() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415  # a tenth of a second, for who sets a password

    return frozenset(FREQUENCY_LISTS["passwords"])
