"""Looks up a name: does it resolve, to what, and do others say the same."""

from typing import Any

from actors.probes.kit.context import Asked
from actors.probes.kit.result import Failed, Seen
from actors.probes.net.dns_lookup import Said, ask
from actors.probes.net.dns_propagation import Spread, spread
from actors.probes.net.dns_servers import resolver_for
from app.domain.monitoring.values import Untyped
from schema.heartbeat_texts import RESOLVED
from schema.status import Status
from schema.targets import Dns

RECORDS_KEPT = 50  # in a detail


async def probe(target: Dns, asked: Asked) -> Seen:
    """Ask, compare with what is expected, then ask the others."""
    own = not (target.resolver_server or target.resolver_url)
    said = await ask(target, resolver_for(target, asked), own=own)
    facts = _facts(target, said)
    if missing := said.lacks(target):
        raise Failed(f"not among the answers: {', '.join(missing)}", detail=facts)
    if target.dnssec and not said.is_authenticated:
        raise Failed("the answer is not authenticated: the name server did not set AD", detail=facts)
    found = await spread(target, said, asked) if target.resolvers else None
    if found:
        facts["propagation"] = found.facts()
    return _judged(target, said, found, facts, detailed=asked.detailed)


def _judged(target: Dns, said: Said, found: Spread | None, facts: dict[str, Any], *, detailed: bool) -> Seen:
    if found and found.status is Status.DOWN:
        raise Failed(found.words, detail=facts)
    message = found.words if found and found.status is Status.DEGRADED else ""
    if target.authoritative and not said.is_authoritative:
        message = message or "the name server does not answer with authority"
    detail = facts if detailed or message else None
    status = Status.DEGRADED if message else Status.UP
    return Seen(status, 0 if message else RESOLVED, message, detail, Untyped(said.records[0]))


def _facts(target: Dns, said: Said) -> dict[str, Any]:
    """For a detail, under document 002's names."""
    return {
        "domain": target.host,
        "record_type": target.resolve_type.value,
        "records": said.records[:RECORDS_KEPT],
        "nameserver": said.nameserver,
        "ttl": said.ttl,
        "authoritative": {"is_authoritative": said.is_authoritative},
        "dnssec": {"authenticated": said.is_authenticated},
    }
