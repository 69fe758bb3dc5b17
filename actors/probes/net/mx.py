"""Where a domain's mail goes (RFC 5321, 5.1), asked of the system's name servers."""

import asyncio

from dns.asyncresolver import Resolver
from dns.exception import DNSException
from dns.resolver import NXDOMAIN, NoAnswer

from actors.probes.kit.result import Failed, Unsure
from actors.probes.net.dns_messages import bounded
from app.security.network.resolver import NAMING

PATIENCE_S = 3_600.0  # the check's own deadline comes first


async def exchanges_of(domain: str) -> list[str]:
    """`10 mail.example.org`, the one to try first in front; empty when the domain takes its mail itself.

    raises    Failed when there is no such domain, or it takes no mail; Unsure when nobody answers for names
    """
    try:
        answer = await bounded(Resolver()).resolve(domain, "MX", search=False, lifetime=PATIENCE_S)
    except NXDOMAIN as error:
        raise Failed(f"there is no name {domain}") from error
    except NoAnswer:
        return []
    except DNSException as error:
        raise Unsure(f"nobody says where the mail of {domain} goes") from error
    except asyncio.CancelledError as cut:
        cut.add_note(NAMING)
        raise
    found = sorted((one.preference, str(one.exchange).rstrip(".")) for one in answer)
    if found == [(0, "")]:
        raise Failed(f"{domain} takes no mail (its MX is a dot)")
    return [f"{preference} {exchange}" for preference, exchange in found]
