"""Refuses passwords that are easy to guess. The list of common passwords is loaded on first use."""

from functools import cache

from app.domain.identity import password_strength
from app.errors import Invalid


def require_strong_password(password: str, *names: str, field: str = "password") -> None:
    """Raise Invalid, naming the weakness and what would be accepted.

    names    the user's own names, which the password must not be
    """
    if weakness := password_strength.find_weakness(password, _common_passwords(), names):
        raise Invalid.for_field(field, weakness)


@cache
def _common_passwords() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415  # a tenth of a second, only when a password is set

    return frozenset(FREQUENCY_LISTS["passwords"])
