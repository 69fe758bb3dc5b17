"""Resolves a host with the monitor's own options: a name server and an address family."""

import asyncio
from ipaddress import IPv4Address
from socket import inet_aton

from actors.probes.kit.result import CheckInconclusive, TargetFailed
from app.security.network.egress import Egress
from app.security.network.resolver import RESOLVING_NOTE, ip_literal
from schema.proxies import ProxyProtocol
from schema.targets.http import IpFamily

QUERY_TIMEOUT_S = 2.0  # of one query; a lost packet is sent again
SYSTEM_RESOLVER = ("", 53)
RESOLVED_BY_PROXY = frozenset({ProxyProtocol.HTTP, ProxyProtocol.SOCKS5H})  # through a tunnel goes the name
NO_LIMIT_S = 86_400.0  # the check's own deadline comes first
RECORD_TYPES = {IpFamily.IPV4: ("A",), IpFamily.IPV6: ("AAAA",), IpFamily.ANY: ("A", "AAAA")}
FAMILY_TEXTS = {IpFamily.IPV4: "IPv4 address", IpFamily.IPV6: "IPv6 address", IpFamily.ANY: "address"}


async def resolve_addresses(egress: Egress, host: str, family: IpFamily, server: tuple[str, int]) -> tuple[str, ...]:
    """Every allowed address of the family, at least one.

    raises    TargetFailed, CheckInconclusive, and as `Egress.addresses`
    """
    if server[0] and not ip_literal(host):
        addresses = await _query_server(egress, host, family, server)
    else:
        addresses = await egress.addresses(host)
    matching = tuple(one for one in addresses if family is IpFamily.ANY or (":" in one) is (family is IpFamily.IPV6))
    if not matching:
        raise TargetFailed(f"{host} has no {FAMILY_TEXTS[family]}")
    return matching


def check_literal_address(egress: Egress, host: str) -> None:
    """Raise EgressDenied for a literal address, in any notation, that may not be reached. Names pass."""
    address = ip_literal(host)
    if not address:
        try:
            address = str(IPv4Address(inet_aton(host)))
        except OSError:
            return
    egress.check(address)


async def _query_server(egress: Egress, host: str, family: IpFamily, server: tuple[str, int]) -> tuple[str, ...]:
    from dns.asyncresolver import Resolver  # noqa: PLC0415  # most checks never need it
    from dns.exception import DNSException  # noqa: PLC0415  # most checks never need it
    from dns.resolver import NXDOMAIN  # noqa: PLC0415  # most checks never need it

    from actors.probes.net.dns_messages import PlainNameserver  # noqa: PLC0415  # most checks never need it

    egress.check(server[0])
    resolver = Resolver(configure=False)
    resolver.nameservers = [PlainNameserver(*server)]
    resolver.timeout, resolver.lifetime = QUERY_TIMEOUT_S, NO_LIMIT_S
    addresses: list[str] = []
    for record_type in RECORD_TYPES[family]:
        try:
            answer = await resolver.resolve(host, record_type, search=False, raise_on_no_answer=False)
        except NXDOMAIN as error:
            raise TargetFailed(f"there is no name {host}") from error
        except (DNSException, UnicodeError) as error:
            raise CheckInconclusive(f"the name server {server[0]} does not answer for {host}") from error
        except asyncio.CancelledError as cancelled:
            cancelled.add_note(RESOLVING_NOTE)
            raise
        addresses += [str(one) for one in answer.rrset or ()]
    return tuple(addresses)
