"""The list of common passwords is there, and holds what the schema lets through."""

import pytest

from app.errors import Invalid
from app.security.credentials import common_passwords


def test_the_list_is_long_and_lower_case() -> None:
    passwords = common_passwords._common_passwords()
    assert len(passwords) > 10_000
    assert all(word == word.lower() for word in passwords)


@pytest.mark.parametrize("password", ["1q2w3e4r5t6y", "Manchester", "qwerty123456"])
def test_a_common_password_is_refused_by_its_field(password: str) -> None:
    with pytest.raises(Invalid) as raised:
        common_passwords.require_strong_password(password, "ada", field="new_password")
    assert [one.field for one in raised.value.fields] == ["new_password"]


def test_a_good_one_passes() -> None:
    common_passwords.require_strong_password("seven green boats", "ada", "ada@example.org")
