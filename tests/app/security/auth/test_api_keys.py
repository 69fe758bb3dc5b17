"""What a key lets in, from where, and how its last use waits to be written."""

from typing import Any

import pytest

from app.domain.identity import api_key_limits
from app.security.auth import api_keys
from app.security.auth.api_keys import Grant
from tests import make


def grant(*networks: str, **changes: Any) -> Grant:
    found = api_key_limits.networks_of(networks)[0]
    usual: dict[str, Any] = {"principal": make.principal(), "expires_ms": None, "active": True, "owned": True}
    return Grant(**{**usual, "networks": found, **changes})


@pytest.mark.parametrize(
    ("networks", "address", "is_in"),
    [
        ((), "", True),
        ((), "192.0.2.7", True),
        (("192.0.2.0/24",), "192.0.2.7", True),
        (("192.0.2.0/24",), "::ffff:192.0.2.7", True),  # IPv4 on a socket of both kinds
        (("192.0.2.0/24",), "192.0.3.7", False),
        (("192.0.2.0/24",), "", False),  # a Unix socket: nobody knows who
        (("fe80::/10",), "fe80::1%eth0", True),
        (("0.0.0.0/0",), "::1", False),
    ],
)
def test_a_key_is_for_its_networks(networks: tuple[str, ...], address: str, *, is_in: bool) -> None:
    assert grant(*networks).is_for(address) is is_in


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"expires_ms": 9_999_999_999_999}, ""),
        ({"expires_ms": 1}, "expired"),
        ({"active": False}, "switched off"),
        ({"owned": False}, "owner"),
    ],
)
def test_a_key_says_why_it_is_not_good_any_more(changes: dict[str, object], words: str) -> None:
    objection = grant(**changes).objection()
    assert words in objection
    assert bool(objection) == bool(words)


def test_keys_differ_and_their_digests_depend_on_the_installation() -> None:
    one, other, ours, theirs = api_keys.made(), api_keys.made(), b"our pepper", b"their pepper"
    assert one != other
    assert api_keys.digest_of(one, ours) == api_keys.digest_of(one, ours) != api_keys.digest_of(other, ours)
    assert api_keys.digest_of(one, ours) != api_keys.digest_of(one, theirs)
    assert one not in api_keys.digest_of(one, ours)


def test_uses_that_could_not_be_kept_wait_unless_there_is_a_newer_one() -> None:
    api_keys.take_uses()
    api_keys.note_use("a", "192.0.2.1")
    api_keys.note_use("b", "192.0.2.1")
    taken = api_keys.take_uses()
    api_keys.note_use("a", "192.0.2.2")
    api_keys.put_back(taken)
    assert {key: use.ip for key, use in api_keys.take_uses().items()} == {"a": "192.0.2.2", "b": "192.0.2.1"}
