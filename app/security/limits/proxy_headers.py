"""What a trusted proxy reports of a client: its IP address, and whether it came by TLS.

`X-Forwarded-For` is read from right to left for as long as the writer of an entry is in TRUSTED_PROXIES. Entries sent
by the client itself stand further left and are never reached. `X-Forwarded-Proto` counts from TRUSTED_PROXIES only.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from litestar.connection import ASGIConnection
from litestar.types import Scope

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]

IPV6_PREFIX_BITS = 64  # a household gets a /64 at least (RFC 6177)
SECURE_SCHEMES = frozenset({"https", "wss"})
FORWARDED_PROTO = b"x-forwarded-proto"


def address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The client's IP address; empty if unknown (a Unix socket)."""
    peer = connection.client.host if connection.client else ""
    trusted: Networks = connection.app.state.settings.trusted_proxies
    if not trusted:
        return peer
    return forwarded_address(peer, connection.headers.getall("X-Forwarded-For", []), trusted)


def forwarded_address(peer: str, forwarded: Sequence[str], trusted: Networks) -> str:
    """The nearest address that is not a trusted proxy's; the peer itself if it is not one."""
    hops = [peer, *(hop.strip() for line in reversed(forwarded) for hop in reversed(line.split(",")))]
    nearest = peer
    for hop in hops:
        address = _parse_address(hop)
        if address is None:
            return nearest
        nearest = str(address)
        if not any(address in network for network in trusted):
            return nearest
    return nearest


def counted_address(address: str) -> str:
    """The address that limits count by: an IPv4 address, or the /64 network of an IPv6 address."""
    parsed = _parse_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((int(parsed), IPV6_PREFIX_BITS), strict=False))
    return str(parsed or "")


def is_tls(scope: Scope) -> bool:
    """Whether the connection was encrypted, to us or to a trusted proxy.

    Called on every request, so it reads the raw headers without building an object for them.
    """
    if scope["scheme"] in SECURE_SCHEMES:
        return True
    forwarded = next((value for name, value in scope["headers"] if name == FORWARDED_PROTO), b"")
    if forwarded.partition(b",")[0].strip().lower().decode("latin-1") not in SECURE_SCHEMES:
        return False
    peer = scope["client"]
    address = _parse_address(peer[0] if peer else "")
    trusted: Networks = scope["litestar_app"].state.settings.trusted_proxies
    return address is not None and any(address in network for network in trusted)


def _parse_address(text: str) -> Address | None:
    """An IP address without port or brackets; an IPv4-mapped IPv6 address as IPv4. None if it is not an address."""
    bare = text.partition("]")[0].lstrip("[")
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        parsed = ip_address(bare)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
