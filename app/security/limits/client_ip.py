"""Who is at the other end: the peer's address, or what a proxy that we trust says it is.

`X-Forwarded-For` is believed from right to left, as long as who wrote the entry is in TRUSTED_PROXIES: what a client
sends itself stands further left, and is never reached.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from litestar.connection import ASGIConnection

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]

IPV6_PREFIX_BITS = 64  # of an IPv6 address: every household has as many to choose from (RFC 6177)


def address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The client's IP address; empty when the server could not tell (a Unix socket)."""
    peer = connection.client.host if connection.client else ""
    trusted: Networks = connection.app.state.settings.trusted_proxies
    if not trusted:
        return peer
    return forwarded_address(peer, connection.headers.getall("X-Forwarded-For", []), trusted)


def forwarded_address(peer: str, forwarded: Sequence[str], trusted: Networks) -> str:
    """The first address, from our side, that no trusted proxy has; the peer itself when it is none of them."""
    hops = [peer, *(hop.strip() for line in reversed(forwarded) for hop in reversed(line.split(",")))]
    seen = peer
    for hop in hops:
        address = _parse_address(hop)
        if address is None:
            return seen
        seen = str(address)
        if not any(address in network for network in trusted):
            return seen
    return seen


def counted_address(address: str) -> str:
    """An address as it is counted: without the part of an IPv6 address that its owner may choose."""
    found = _parse_address(address.partition("%")[0])
    return (
        str(IPv6Network((int(found), IPV6_PREFIX_BITS), strict=False))
        if isinstance(found, IPv6Address)
        else str(found or "")
    )


def _parse_address(text: str) -> Address | None:
    """An IP address, without a port or brackets; an IPv4 address in IPv6 clothes is one of IPv4."""
    bare = text.partition("]")[0].lstrip("[")
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ip_address(bare)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
