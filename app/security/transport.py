"""Whether somebody came by TLS: to us, or to a proxy that we trust and that says so."""

from ipaddress import ip_address
from typing import Any

from litestar.connection import ASGIConnection

from app.security.addresses import Networks

SECURE = frozenset({"https", "wss"})


def is_tls(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Whether nobody on the way could read along. `X-Forwarded-Proto` counts from TRUSTED_PROXIES only."""
    if connection.scope["scheme"] in SECURE:
        return True
    peer = connection.client.host if connection.client else ""
    told = connection.headers.get("X-Forwarded-Proto", "").partition(",")[0].strip().lower()
    return told in SECURE and _is_trusted(peer, connection.app.state.settings.trusted_proxies)


def _is_trusted(peer: str, trusted: Networks) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    bare = getattr(address, "ipv4_mapped", None) or address
    return any(bare in network for network in trusted)
