"""What an API key may do, and whether that exceeds what its creator may do. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network

from msgspec import Struct

from schema.errors import FieldError
from schema.status import Role

Network = IPv4Network | IPv6Network


class KeyLimits(Struct, frozen=True, kw_only=True):
    """What a key may do, until when, and from where.

    scopes      None: all of the role
    expires_at  None: never
    networks    empty: from anywhere
    """

    role: Role
    scopes: frozenset[str] | None = None
    expires_at: datetime | None = None
    networks: tuple[Network, ...] = ()


def parse_networks(texts: Sequence[str]) -> tuple[tuple[Network, ...], list[FieldError]]:
    """(the networks in normal form, the errors of the invalid ones)."""
    networks: list[Network] = []
    errors: list[FieldError] = []
    for number, text in enumerate(texts):
        try:
            networks.append(ip_network(text.strip(), strict=False))
        except ValueError:
            errors.append(FieldError(f"networks.{number}", "must be an IP address or a network such as 10.0.0.0/8"))
    return tuple(dict.fromkeys(networks)), errors


def violations(requested: KeyLimits, allowed: KeyLimits) -> list[FieldError]:
    """Each field in which a key would exceed `allowed`."""
    return [
        *_role_violations(requested, allowed),
        *_scope_violations(requested, allowed),
        *_expiry_violations(requested, allowed),
        *_network_violations(requested, allowed),
    ]


def _role_violations(requested: KeyLimits, allowed: KeyLimits) -> Iterator[FieldError]:
    if not allowed.role.covers(requested.role):
        yield FieldError("role", f"must be at most {allowed.role}; a key can't have a higher role than you or its user")


def _scope_violations(requested: KeyLimits, allowed: KeyLimits) -> Iterator[FieldError]:
    if allowed.scopes is None:
        return
    scopes = allowed.scopes | {one.replace(":write", ":read") for one in allowed.scopes}
    if requested.scopes is None or not requested.scopes <= scopes:
        yield FieldError("scopes", f"must be among the scopes of your own key: {', '.join(sorted(scopes)) or 'none'}")


def _expiry_violations(requested: KeyLimits, allowed: KeyLimits) -> Iterator[FieldError]:
    if allowed.expires_at is not None and (requested.expires_at is None or requested.expires_at > allowed.expires_at):
        yield FieldError(
            "expires_at", f"must be at most {allowed.expires_at:%Y-%m-%dT%H:%M:%SZ}, when your own key expires"
        )


def _network_violations(requested: KeyLimits, allowed: KeyLimits) -> Iterator[FieldError]:
    if allowed.networks and not (
        requested.networks and all(_is_within(one, allowed.networks) for one in requested.networks)
    ):
        yield FieldError(
            "networks", f"must be within the networks of your own key: {', '.join(map(str, allowed.networks))}"
        )


def _is_within(network: Network, networks: Sequence[Network]) -> bool:
    """Whether a network is part of one of these. IP versions never mix."""
    return any(
        network.version == one.version
        and one.network_address <= network.network_address  # type: ignore[operator]  # the same version
        and network.broadcast_address <= one.broadcast_address  # type: ignore[operator]  # the same version
        for one in networks
    )
