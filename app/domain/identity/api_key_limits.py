"""How far an API key goes, and whether that is further than whoever hands it out may go. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network

from msgspec import Struct

from schema.errors import FieldError
from schema.status import Role

Network = IPv4Network | IPv6Network


class KeyLimits(Struct, frozen=True, kw_only=True):
    """What a key may do, how long, and from where.

    scopes      None: all that the role covers
    expires_at  None: for ever
    networks    empty: from anywhere
    """

    role: Role
    scopes: frozenset[str] | None = None
    expires_at: datetime | None = None
    networks: tuple[Network, ...] = ()


def parse_networks(texts: Sequence[str]) -> tuple[tuple[Network, ...], list[FieldError]]:
    """The networks that are meant, each in its usual form, and which texts are none."""
    found: list[Network] = []
    wrong: list[FieldError] = []
    for number, text in enumerate(texts):
        try:
            found.append(ip_network(text.strip(), strict=False))
        except ValueError:
            wrong.append(FieldError(f"networks.{number}", "must be an IP address or a network such as 10.0.0.0/8"))
    return tuple(dict.fromkeys(found)), wrong


def violations(wanted: KeyLimits, most: KeyLimits) -> list[FieldError]:
    """Where a key would go further than `most`, field by field; empty when it does not."""
    return [
        *_role_violations(wanted, most),
        *_scope_violations(wanted, most),
        *_expiry_violations(wanted, most),
        *_network_violations(wanted, most),
    ]


def _role_violations(wanted: KeyLimits, most: KeyLimits) -> Iterator[FieldError]:
    if not most.role.covers(wanted.role):
        yield FieldError("role", f"must be at most {most.role}: a key can't do more than who gives it out")


def _scope_violations(wanted: KeyLimits, most: KeyLimits) -> Iterator[FieldError]:
    if most.scopes is None:
        return
    held = most.scopes | {one.replace(":write", ":read") for one in most.scopes}
    if wanted.scopes is None or not wanted.scopes <= held:
        yield FieldError("scopes", f"must be among those of the key that asks: {', '.join(sorted(held)) or 'none'}")


def _expiry_violations(wanted: KeyLimits, most: KeyLimits) -> Iterator[FieldError]:
    if most.expires_at is not None and (wanted.expires_at is None or wanted.expires_at > most.expires_at):
        yield FieldError(
            "expires_at", f"must be at most {most.expires_at:%Y-%m-%dT%H:%M:%SZ}: so long the asking key lives"
        )


def _network_violations(wanted: KeyLimits, most: KeyLimits) -> Iterator[FieldError]:
    if most.networks and not (wanted.networks and all(_is_within(one, most.networks) for one in wanted.networks)):
        yield FieldError(
            "networks", f"must lie within those of the key that asks: {', '.join(map(str, most.networks))}"
        )


def _is_within(network: Network, wider: Sequence[Network]) -> bool:
    """Whether a network is part of one of these; those of the other IP version never hold it."""
    return any(
        network.version == one.version
        and one.network_address <= network.network_address  # type: ignore[operator]  # the same version
        and network.broadcast_address <= one.broadcast_address  # type: ignore[operator]  # the same version
        for one in wider
    )
