"""Looks up a name: does it resolve, to what, and do others say the same."""

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


async def probe(target: Dns, asked: RunningCheck) -> ProbeResult:
    """Ask, compare with what is expected, then ask the others."""
    own = not (target.resolver_server or target.resolver_url)
    said = await query_dns(target, resolver_for(target, asked), is_system_resolver=own)
    facts = _facts(target, said)
    if missing := said.missing_records(target):
        raise TargetFailed(f"not among the answers: {', '.join(missing)}", detail=facts)
    if target.dnssec and not said.is_authenticated:
        raise TargetFailed("the answer is not authenticated: the name server did not set AD", detail=facts)
    found = await check_propagation(target, said, asked) if target.resolvers else None
    if found:
        facts["propagation"] = found.facts()
    return _evaluate(target, said, found, facts, detailed=asked.detailed)


def _evaluate(
    target: Dns, said: DnsResponse, found: Propagation | None, facts: dict[str, Any], *, detailed: bool
) -> ProbeResult:
    if found and found.status is Status.DOWN:
        raise TargetFailed(found.message, detail=facts)
    message = found.message if found and found.status is Status.DEGRADED else ""
    if target.authoritative and not said.is_authoritative:
        message = message or "the name server does not answer with authority"
    detail = facts if detailed or message else None
    status = Status.DEGRADED if message else Status.UP
    return ProbeResult(status, 0 if message else RESOLVED, message, detail, Untyped(said.records[0]))


def _facts(target: Dns, said: DnsResponse) -> dict[str, Any]:
    """For a detail, under document 002's names."""
    return {
        "domain": target.host,
        "record_type": target.resolve_type.value,
        "records": said.records[:MAX_RECORDS],
        "nameserver": said.nameserver,
        "ttl": said.ttl,
        "authoritative": {"is_authoritative": said.is_authoritative},
        "dnssec": {"authenticated": said.is_authenticated},
    }
