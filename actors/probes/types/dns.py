"""Checks that a name resolves, to the expected records, and that other servers agree."""

from typing import Any

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import ProbeResult, TargetFailed
from actors.probes.net.dns_lookup import DnsResponse, query_dns
from actors.probes.net.dns_propagation import Propagation, check_propagation
from actors.probes.net.dns_servers import resolver_for
from app.domain.parsing.values import Untyped
from schema.heartbeat_texts import RESOLVED
from schema.status import Status
from schema.targets import Dns

MAX_RECORDS = 50  # in a detail


async def probe(target: Dns, check: RunningCheck) -> ProbeResult:
    """Query, compare with the expected records, then query the other servers."""
    is_system_resolver = not (target.resolver_server or target.resolver_url)
    response = await query_dns(target, resolver_for(target, check), is_system_resolver=is_system_resolver)
    facts = _facts(target, response)
    if missing := response.missing_records(target):
        raise TargetFailed(f"not among the answers: {', '.join(missing)}", detail=facts)
    if target.dnssec and not response.is_authenticated:
        raise TargetFailed("the answer is not authenticated: the name server did not set AD", detail=facts)
    propagation = await check_propagation(target, response, check) if target.resolvers else None
    if propagation:
        facts["propagation"] = propagation.facts()
    return _evaluate(target, response, propagation, facts, detailed=check.detailed)


def _evaluate(
    target: Dns, response: DnsResponse, propagation: Propagation | None, facts: dict[str, Any], *, detailed: bool
) -> ProbeResult:
    if propagation and propagation.status is Status.DOWN:
        raise TargetFailed(propagation.message, detail=facts)
    message = propagation.message if propagation and propagation.status is Status.DEGRADED else ""
    if target.authoritative and not response.is_authoritative:
        message = message or "the name server does not answer with authority"
    detail = facts if detailed or message else None
    status = Status.DEGRADED if message else Status.UP
    return ProbeResult(status, 0 if message else RESOLVED, message, detail, Untyped(response.records[0]))


def _facts(target: Dns, response: DnsResponse) -> dict[str, Any]:
    """For a detail, under document 002's names."""
    return {
        "domain": target.host,
        "record_type": target.resolve_type.value,
        "records": response.records[:MAX_RECORDS],
        "nameserver": response.nameserver,
        "ttl": response.ttl,
        "authoritative": {"is_authoritative": response.is_authoritative},
        "dnssec": {"authenticated": response.is_authenticated},
    }
