"""Detects whether a request came by TLS, to us or to a trusted proxy."""

from ipaddress import ip_address

from litestar.types import Scope

from app.security.limits.client_ip import Networks

SECURE_SCHEMES = frozenset({"https", "wss"})
FORWARDED_PROTO = b"x-forwarded-proto"


def is_tls(scope: Scope) -> bool:
    """Whether the connection was encrypted. `X-Forwarded-Proto` is accepted from TRUSTED_PROXIES only.

    Called on every request, so it reads the raw headers without building an object for them.
    """
    if scope["scheme"] in SECURE_SCHEMES:
        return True
    forwarded = next((value for name, value in scope["headers"] if name == FORWARDED_PROTO), b"")
    if forwarded.partition(b",")[0].strip().lower().decode("latin-1") not in SECURE_SCHEMES:
        return False
    client = scope["client"]
    return _is_trusted(client[0] if client else "", scope["litestar_app"].state.settings.trusted_proxies)


def _is_trusted(peer: str, trusted: Networks) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    bare = getattr(address, "ipv4_mapped", None) or address
    return any(bare in network for network in trusted)
