"""Looks how long a domain is registered for."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from actors.probes.kit import expiring
from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import CheckInconclusive, ProbeResult, TargetFailed
from actors.probes.protocols.registry_client import ExpiryUnknown, query_rdap, query_whois
from actors.probes.protocols.registry_parsing import DomainRegistration
from app import clock
from schema.heartbeat_texts import ANSWERED
from schema.jobs import ExpiringItem
from schema.status import Status
from schema.targets import Domain

DAY_S = 86_400
TIMEOUT_SHARE = 0.45  # of the timeout, for each of the two: a registry's silence is not the domain's

Query = Callable[[Domain, RunningCheck], Awaitable[DomainRegistration]]


async def probe(target: Domain, asked: RunningCheck) -> ProbeResult:
    """Ask RDAP, then WHOIS; a domain of which neither knows is unknown, not down."""
    ways: list[Query] = [
        way for way, given in ((query_rdap, target.rdap_url), (query_whois, target.whois_server)) if given
    ]
    silence: list[str] = []
    for way in ways:
        try:
            async with asyncio.timeout(asked.snapshot.timeout_ms / 1000 * TIMEOUT_SHARE):
                return _evaluate(target, await way(target, asked), detailed=asked.detailed)
        except ExpiryUnknown as silent:
            silence.append(str(silent))
        except TimeoutError:
            silence.append("no answer")
    raise CheckInconclusive(f"nobody says when {target.domain} ends: {'; '.join(silence)}")


def _evaluate(target: Domain, found: DomainRegistration, *, detailed: bool) -> ProbeResult:
    days = int((found.ends_at - datetime.now(UTC)).total_seconds() // DAY_S)
    expiring.record(_expiring_item(target.domain.lower(), found))
    words = f"the domain ends in {days} days" if days >= 0 else f"the domain ended on {found.ends_at:%Y-%m-%d}"
    facts = {
        "domain": target.domain,
        "ends_at": found.ends_at.isoformat().replace("+00:00", "Z"),
        "days_left": days,
        "source": found.source,
        "registrar": found.registrar,
        "states": found.states,
    }
    if days <= target.critical_days:
        raise TargetFailed(words, detail=facts)
    if days <= target.warning_days:
        return ProbeResult(Status.DEGRADED, 0, words, facts, days)
    return ProbeResult(Status.UP, ANSWERED, "", facts if detailed else None, days)


def _expiring_item(domain: str, found: DomainRegistration) -> ExpiringItem:
    identity, ends_ms = f"{domain} {found.ends_at:%Y-%m-%d}", clock.epoch_ms(found.ends_at)
    return ExpiringItem("domain", identity, domain, found.registrar, ends_ms)
