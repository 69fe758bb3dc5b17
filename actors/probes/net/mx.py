"""Looks up where a domain's mail goes (RFC 5321, 5.1) with the system's name servers."""

import asyncio

from dns.asyncresolver import Resolver
from dns.exception import DNSException
from dns.resolver import NXDOMAIN, NoAnswer

from actors.probes.kit.result import CheckInconclusive, TargetFailed
from actors.probes.net.dns_messages import with_bounded_servers
from app.security.network.resolver import RESOLVING_NOTE

NO_LIMIT_S = 3_600.0  # the check's own deadline comes first


async def mail_exchanges(domain: str) -> list[str]:
    """Entries such as `10 mail.example.org`, the preferred first; empty when the domain receives its mail itself.

    raises    TargetFailed without such a domain, or when it accepts no mail; CheckInconclusive when DNS does not answer
    """
    try:
        answer = await with_bounded_servers(Resolver()).resolve(domain, "MX", search=False, lifetime=NO_LIMIT_S)
    except NXDOMAIN as error:
        raise TargetFailed(f"there is no name {domain}") from error
    except NoAnswer:
        return []
    except DNSException as error:
        raise CheckInconclusive(f"nobody says where the mail of {domain} goes") from error
    except asyncio.CancelledError as cancelled:
        cancelled.add_note(RESOLVING_NOTE)
        raise
    exchanges = sorted((one.preference, str(one.exchange).rstrip(".")) for one in answer)
    if exchanges == [(0, "")]:
        raise TargetFailed(f"{domain} takes no mail (its MX is a dot)")
    return [f"{preference} {exchange}" for preference, exchange in exchanges]
