"""Looks up a name: does it resolve, and to what."""

import asyncio
from ipaddress import ip_address

from dns.asyncresolver import Resolver
from dns.exception import DNSException
from dns.name import Name, from_text
from dns.rdata import Rdata
from dns.rdtypes.txtbase import TXTBase
from dns.resolver import NXDOMAIN, Answer, NoAnswer, NoNameservers, NoResolverConfiguration
from dns.reversename import from_address

from actors.probes.seen import Failed, Seen, Unsure
from actors.probes.tools import Asked
from actors.probes.trouble import of_system
from app.security.names import NAMING
from schema.messages import RESOLVED
from schema.targets import Dns, RecordType

TRY_S = 2.0  # of one question to one server; a lost packet is asked again
RECORDS_KEPT = 50  # in a detail
ADDRESSES = frozenset({RecordType.A, RecordType.AAAA})
VERBATIM = frozenset({RecordType.TXT, RecordType.CAA})


async def probe(target: Dns, asked: Asked) -> Seen:
    """Ask, then compare with what is expected."""
    answer = await _answer(target, _resolver(target, asked), own=not target.resolver_server)
    records = [shown(one) for one in answer][:RECORDS_KEPT]
    found = {comparable(shown(one), target.resolve_type) for one in answer}
    missing = [one for one in target.expected if comparable(one, target.resolve_type) not in found]
    if missing:
        raise Failed(f"not among the answers: {', '.join(missing)}", detail={"records": records})
    return Seen(code=RESOLVED, detail={"records": records} if asked.detailed else None)


def _resolver(target: Dns, asked: Asked) -> Resolver:
    """The server that the monitor names, or the system's, which no policy of ours forbids."""
    try:
        resolver = Resolver(configure=not target.resolver_server)
        if target.resolver_server:
            asked.tools.egress.check(target.resolver_server)
            resolver.nameservers = [target.resolver_server]
            resolver.port = target.port
    except NoResolverConfiguration as error:
        raise Unsure("this machine has no name server: set one on the monitor") from error
    except ValueError as error:
        raise Unsure(f"the name server {target.resolver_server[:60]} is not an IP address") from error
    resolver.timeout = TRY_S
    resolver.lifetime = asked.snapshot.timeout_ms / 1000 * 2  # the check's own deadline comes first
    return resolver


async def _answer(target: Dns, resolver: Resolver, *, own: bool) -> Answer:
    """Ask once, the way dnspython asks. A deadline that strikes while our own server thinks is marked as ours."""
    question = _question(target)
    try:
        return await resolver.resolve(question, target.resolve_type.value, search=False)
    except NXDOMAIN as error:
        raise Failed(f"there is no name {target.host}") from error
    except NoAnswer as error:
        raise Failed(f"the name has no {target.resolve_type} record") from error
    except NoNameservers as error:
        raise _refusal(error, own=own) from error
    except asyncio.CancelledError as cut:
        if own:
            cut.add_note(NAMING)
        raise


def _question(target: Dns) -> Name:
    """The name to ask for; PTR of an address asks for its reverse name."""
    try:
        if target.resolve_type is RecordType.PTR and _address(target.host):
            return from_address(target.host)
        return from_text(target.host)
    except (DNSException, UnicodeError) as error:
        raise Failed(f"{target.host} is not a name") from error


def _refusal(error: NoNameservers, *, own: bool) -> Failed | Unsure:
    """What the last server said: SERVFAIL is about the name, an error of the network or REFUSED about the server."""
    said = error.kwargs["errors"][-1][3] if error.kwargs.get("errors") else "nothing"
    trouble = of_system(said) if isinstance(said, OSError) else Failed(f"the name server answered {said}")
    if own and (isinstance(said, OSError) or said == "REFUSED"):
        return Unsure(f"this machine's name server: {trouble}")
    return trouble


def shown(record: Rdata) -> str:
    """A record as people write it: MX `10 mail.`, SRV `1 5 443 host.`, CAA `0 issue "ca"`, TXT joined."""
    if isinstance(record, TXTBase):
        return b"".join(record.strings).decode("utf-8", errors="replace")
    return str(record.to_text())


def comparable(text: str, kind: RecordType) -> str:
    """One spelling for what means the same: case and last dots of names, zeros of IPv6 addresses."""
    if kind in VERBATIM:
        return text
    if kind in ADDRESSES:
        return _address(text) or text
    return " ".join(part.rstrip(".") for part in text.lower().split())


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return ""
