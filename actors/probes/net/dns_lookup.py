"""Sends one DNS query to one resolver, and classifies the failure when there is no answer."""

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

from actors.probes.kit.errors import classify_os_error
from actors.probes.kit.result import CheckInconclusive, TargetFailed
from actors.probes.net.dns_messages import FinalDnsError
from actors.probes.net.dns_records import canonical_address, normalize, record_text, sort_records
from app.security.network.egress import EgressDenied
from app.security.network.resolver import RESOLVING_NOTE
from schema.targets import Dns, RecordType


class DnsResponse(Struct, frozen=True):
    """A resolver's response: the records in a stable order. `normalized` has each of them in one spelling."""

    records: list[str]
    normalized: frozenset[str]
    nameserver: str
    ttl: int
    is_authoritative: bool
    is_authenticated: bool

    def missing_records(self, target: Dns) -> list[str]:
        """The expected records that are not in the response."""
        return [one for one in target.expected if normalize(one, target.resolve_type) not in self.normalized]


async def query_dns(target: Dns, resolver: Resolver, *, is_system_resolver: bool) -> DnsResponse:
    """Query once, as dnspython does. A timeout of the system's resolver is marked as ours.

    is_system_resolver    its silence says nothing about the name
    raises    TargetFailed, CheckInconclusive, EgressDenied; dnspython's LifetimeTimeout
    """
    try:
        return _parse_answer(
            target, await resolver.resolve(_query_name(target), target.resolve_type.value, search=False)
        )
    except NXDOMAIN as error:
        raise TargetFailed(f"there is no name {target.host}") from error
    except NoAnswer as error:
        raise TargetFailed(f"the name has no {target.resolve_type} record") from error
    except YXDOMAIN as error:
        raise TargetFailed("the name server answered YXDOMAIN") from error
    except NoNameservers as error:
        raise _classify_failure(error, is_system_resolver=is_system_resolver) from error
    except asyncio.CancelledError as cancelled:
        if is_system_resolver:
            cancelled.add_note(RESOLVING_NOTE)
        raise


def _parse_answer(target: Dns, answer: Answer) -> DnsResponse:
    records = sort_records([record_text(one) for one in answer], target.resolve_type)
    return DnsResponse(
        records,
        frozenset(normalize(one, target.resolve_type) for one in records),
        str(answer.nameserver or ""),
        answer.rrset.ttl if answer.rrset else 0,
        bool(answer.response.flags & AA),
        bool(answer.response.flags & AD),
    )


def _query_name(target: Dns) -> Name:
    """The name to query; for PTR of an address its reverse name."""
    try:
        if target.resolve_type is RecordType.PTR and canonical_address(target.host):
            return from_address(target.host)
        return from_text(target.host)
    except (DNSException, UnicodeError) as error:
        raise TargetFailed(f"{target.host} is not a name") from error


def _classify_failure(
    error: NoNameservers, *, is_system_resolver: bool
) -> TargetFailed | CheckInconclusive | EgressDenied:
    """Classify the last server's failure: SERVFAIL is about the name, a network error or REFUSED about the server."""
    reply: Any = error.kwargs["errors"][-1][3] if error.kwargs.get("errors") else "nothing"
    if isinstance(reply, FinalDnsError):
        return reply.reason
    if isinstance(reply, OSError):
        failure = classify_os_error(reply)
    elif isinstance(reply, ChainTooLong):
        failure = TargetFailed("its CNAMEs lead in a circle, or on and on")
    elif isinstance(reply, EOFError):
        failure = TargetFailed("the name server closed the connection without an answer")
    elif isinstance(reply, Exception):
        failure = TargetFailed("the name server's answer can't be read")
    else:
        failure = TargetFailed(f"the name server answered {reply}")
    if is_system_resolver and (isinstance(reply, OSError) or reply == "REFUSED"):
        return CheckInconclusive(f"this machine's name server: {failure}")
    return failure
