"""One question about a name to one resolver, and what it means when there is no answer."""

import asyncio
from typing import Any

from dns.asyncresolver import Resolver
from dns.exception import DNSException
from dns.flags import AA, AD
from dns.message import ChainTooLong
from dns.name import Name, from_text
from dns.resolver import NXDOMAIN, YXDOMAIN, Answer, NoAnswer, NoNameservers
from dns.reversename import from_address
from msgspec import Struct

from actors.probes.kit.errors import of_system
from actors.probes.kit.result import Failed, Unsure
from actors.probes.net.dns_messages import Stopped
from actors.probes.net.dns_records import address_of, comparable, in_order, shown
from app.security.network.egress import Refused
from app.security.network.resolver import NAMING
from schema.targets import Dns, RecordType


class Said(Struct, frozen=True):
    """What a resolver said: the records in an order that lasts. `meaning` is each of them in one spelling."""

    records: list[str]
    meaning: frozenset[str]
    nameserver: str
    ttl: int
    is_authoritative: bool
    is_authenticated: bool

    def lacks(self, target: Dns) -> list[str]:
        """What the target expects, and is not there."""
        return [one for one in target.expected if comparable(one, target.resolve_type) not in self.meaning]


async def ask(target: Dns, resolver: Resolver, *, own: bool) -> Said:
    """Ask once, the way dnspython asks. A deadline that strikes while our own server thinks is marked as ours.

    own       whether it is the system's resolver: its silence says nothing about the name
    raises    Failed, Unsure, Refused; dnspython's LifetimeTimeout
    """
    try:
        return _said(target, await resolver.resolve(_question(target), target.resolve_type.value, search=False))
    except NXDOMAIN as error:
        raise Failed(f"there is no name {target.host}") from error
    except NoAnswer as error:
        raise Failed(f"the name has no {target.resolve_type} record") from error
    except YXDOMAIN as error:
        raise Failed("the name server answered YXDOMAIN") from error
    except NoNameservers as error:
        raise _refusal(error, own=own) from error
    except asyncio.CancelledError as cut:
        if own:
            cut.add_note(NAMING)
        raise


def _said(target: Dns, answer: Answer) -> Said:
    records = in_order([shown(one) for one in answer], target.resolve_type)
    return Said(
        records,
        frozenset(comparable(one, target.resolve_type) for one in records),
        str(answer.nameserver or ""),
        answer.rrset.ttl if answer.rrset else 0,
        bool(answer.response.flags & AA),
        bool(answer.response.flags & AD),
    )


def _question(target: Dns) -> Name:
    """The name to ask for; PTR of an address asks for its reverse name."""
    try:
        if target.resolve_type is RecordType.PTR and address_of(target.host):
            return from_address(target.host)
        return from_text(target.host)
    except (DNSException, UnicodeError) as error:
        raise Failed(f"{target.host} is not a name") from error


def _refusal(error: NoNameservers, *, own: bool) -> Failed | Unsure | Refused:
    """What the last server said: SERVFAIL is about the name, an error of the network or REFUSED about the server."""
    said: Any = error.kwargs["errors"][-1][3] if error.kwargs.get("errors") else "nothing"
    if isinstance(said, Stopped):
        return said.why
    if isinstance(said, OSError):
        trouble = of_system(said)
    elif isinstance(said, ChainTooLong):
        trouble = Failed("its CNAMEs lead in a circle, or on and on")
    elif isinstance(said, EOFError):
        trouble = Failed("the name server closed the connection without an answer")
    elif isinstance(said, Exception):
        trouble = Failed("the name server's answer can't be read")
    else:
        trouble = Failed(f"the name server answered {said}")
    if own and (isinstance(said, OSError) or said == "REFUSED"):
        return Unsure(f"this machine's name server: {trouble}")
    return trouble
