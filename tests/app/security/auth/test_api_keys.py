"""What a key permits, from which address, and how its last use waits to be stored."""

from typing import Any

import pytest

from app.domain.identity import api_key_limits
from app.security.auth import api_keys
from app.security.auth.api_keys import Grant
from tests import make


def grant(*networks: str, **changes: Any) -> Grant:
    found = api_key_limits.parse_networks(networks)[0]
    usual: dict[str, Any] = {"principal": make.principal(), "expires_ms": None, "active": True, "owner_active": True}
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
    assert grant(*networks).allows_address(address) is is_in


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, ""),
        ({"expires_ms": 9_999_999_999_999}, ""),
        ({"expires_ms": 1}, "expired"),
        ({"active": False}, "key is disabled"),
        ({"owner_active": False}, "user of this API key"),
    ],
)
def test_a_key_reports_why_it_is_invalid(changes: dict[str, object], message: str) -> None:
    objection = grant(**changes).denial_reason()
    assert message in objection
    assert bool(objection) == bool(message)


def test_keys_differ_and_their_digests_depend_on_the_installation() -> None:
    one, other, ours, theirs = api_keys.generate_key(), api_keys.generate_key(), b"our pepper", b"their pepper"
    assert one != other
    assert api_keys.key_digest(one, ours) == api_keys.key_digest(one, ours) != api_keys.key_digest(other, ours)
    assert api_keys.key_digest(one, ours) != api_keys.key_digest(one, theirs)
    assert one not in api_keys.key_digest(one, ours)


def test_uses_that_could_not_be_kept_wait_unless_there_is_a_newer_one() -> None:
    api_keys.take_usage()
    api_keys.record_usage("a", "192.0.2.1")
    api_keys.record_usage("b", "192.0.2.1")
    taken = api_keys.take_usage()
    api_keys.record_usage("a", "192.0.2.2")
    api_keys.restore_usage(taken)
    assert {key: use.ip for key, use in api_keys.take_usage().items()} == {"a": "192.0.2.2", "b": "192.0.2.1"}
