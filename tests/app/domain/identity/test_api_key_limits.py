"""A key never exceeds the rights of whoever creates it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.identity import api_key_limits
from app.domain.identity.api_key_limits import KeyLimits
from schema.status import Role

MAY, JUNE = datetime(2027, 5, 1, tzinfo=UTC), datetime(2027, 6, 1, tzinfo=UTC)


def limits(networks: tuple[str, ...] = (), scopes: tuple[str, ...] | None = None, **changes: Any) -> KeyLimits:
    found, wrong = api_key_limits.parse_networks(networks)
    assert not wrong
    narrowed = None if scopes is None else frozenset(scopes)
    return KeyLimits(**{"role": Role.VIEWER, "networks": found, "scopes": narrowed, **changes})


@pytest.mark.parametrize(
    ("wanted", "most", "fields"),
    [
        (limits(), limits(), []),
        (limits(role=Role.OPERATOR), limits(), ["role"]),
        (limits(), limits(role=Role.ADMIN), []),
        (limits(scopes=("monitors:read",)), limits(), []),
        (limits(scopes=("monitors:read",)), limits(scopes=("monitors:write",)), []),  # who writes may read
        (limits(scopes=("monitors:write",)), limits(scopes=("monitors:read",)), ["scopes"]),
        (limits(), limits(scopes=("monitors:read",)), ["scopes"]),
        (limits(scopes=()), limits(scopes=()), []),
        (limits(expires_at=MAY), limits(expires_at=JUNE), []),
        (limits(expires_at=JUNE), limits(expires_at=MAY), ["expires_at"]),
        (limits(), limits(expires_at=MAY), ["expires_at"]),
        (limits(expires_at=MAY), limits(), []),
        (limits(("10.1.0.0/16",)), limits(("10.0.0.0/8", "::1")), []),
        (limits(("10.1.0.0/16", "::1")), limits(("10.0.0.0/8", "::1")), []),
        (limits(("10.0.0.0/7",)), limits(("10.0.0.0/8",)), ["networks"]),
        (limits(("::/0",)), limits(("0.0.0.0/0",)), ["networks"]),
        (limits(), limits(("10.0.0.0/8",)), ["networks"]),
    ],
)
def test_limits_beyond_the_creators_are_reported_by_field(
    wanted: KeyLimits, most: KeyLimits, fields: list[str]
) -> None:
    assert [one.field for one in api_key_limits.violations(wanted, most)] == fields


def test_networks_take_their_usual_form_and_strangers_are_named() -> None:
    found, wrong = api_key_limits.parse_networks(["10.1.2.3/8", " 10.0.0.0/8", "192.0.2.7", "moon", "10.0.0.0/33"])
    assert [str(one) for one in found] == ["10.0.0.0/8", "192.0.2.7/32"]
    assert [one.field for one in wrong] == ["networks.3", "networks.4"]
