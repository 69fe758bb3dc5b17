"""Whether somebody came by TLS: to us, or to a proxy that we trust and that says so."""

from ipaddress import ip_address

from litestar.types import Scope

from app.security.limits.client_ip import Networks

SECURE_SCHEMES = frozenset({"https", "wss"})
FORWARDED_PROTO = b"x-forwarded-proto"


def is_tls(scope: Scope) -> bool:
    """Whether nobody on the way could read along. `X-Forwarded-Proto` counts from TRUSTED_PROXIES only.

    Asked of every request, so it makes no objects of headers that hardly any request has.
    """
    if scope["scheme"] in SECURE_SCHEMES:
        return True
    told = next((value for name, value in scope["headers"] if name == FORWARDED_PROTO), b"")
    if told.partition(b",")[0].strip().lower().decode("latin-1") not in SECURE_SCHEMES:
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
