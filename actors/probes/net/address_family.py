"""A monitor's own wishes for names: which name server is asked, and which family of addresses counts."""

import asyncio

from actors.probes.kit.result import Failed, Unsure
from app.security.network.egress import Egress
from app.security.network.resolver import NAMING, literal
from schema.targets.http import IpFamily

TRY_S = 2.0  # of one question; a lost packet is asked again
NO_LIMIT_S = 86_400.0  # the check's own deadline comes first
RECORDS = {IpFamily.IPV4: ("A",), IpFamily.IPV6: ("AAAA",), IpFamily.ANY: ("A", "AAAA")}
WORDS = {IpFamily.IPV4: "IPv4 address", IpFamily.IPV6: "IPv6 address", IpFamily.ANY: "address"}


async def addresses_of(egress: Egress, host: str, family: IpFamily, server: tuple[str, int]) -> tuple[str, ...]:
    """Every allowed address of the family: never empty. Raises Failed, Unsure, and as `Egress.addresses`."""
    if server[0] and not literal(host):
        found = await _asked(egress, host, family, server)
    else:
        found = await egress.addresses(host)
    wanted = tuple(one for one in found if family is IpFamily.ANY or (":" in one) is (family is IpFamily.IPV6))
    if not wanted:
        raise Failed(f"{host} has no {WORDS[family]}")
    return wanted


async def _asked(egress: Egress, host: str, family: IpFamily, server: tuple[str, int]) -> tuple[str, ...]:
    from dns.asyncresolver import Resolver  # noqa: PLC0415  # a library that most checks never need
    from dns.exception import DNSException  # noqa: PLC0415  # a library that most checks never need
    from dns.resolver import NXDOMAIN  # noqa: PLC0415  # a library that most checks never need

    from actors.probes.net.dns_messages import Plain  # noqa: PLC0415  # a library that most checks never need

    egress.check(server[0])
    resolver = Resolver(configure=False)
    resolver.nameservers = [Plain(*server)]
    resolver.timeout, resolver.lifetime = TRY_S, NO_LIMIT_S
    found: list[str] = []
    for kind in RECORDS[family]:
        try:
            answer = await resolver.resolve(host, kind, search=False, raise_on_no_answer=False)
        except NXDOMAIN as error:
            raise Failed(f"there is no name {host}") from error
        except (DNSException, UnicodeError) as error:
            raise Unsure(f"the name server {server[0]} does not answer for {host}") from error
        except asyncio.CancelledError as cut:
            cut.add_note(NAMING)
            raise
        found += [str(one) for one in answer.rrset or ()]
    return tuple(found)
