"""Checks how long a domain is registered for."""

import asyncio
from collections.abc import Awaitable, Callable

from actors.probes.kit import expiring
from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import CheckInconclusive, ProbeResult, TargetFailed
from actors.probes.protocols.registry_client import ExpiryUnknown, query_rdap, query_whois
from actors.probes.protocols.registry_parsing import DomainRegistration
from app import clock
from app.domain.alerting.expiry import days_left
from schema.heartbeat_texts import ANSWERED
from schema.jobs import ExpiringItem
from schema.status import Status
from schema.targets import Domain

TIMEOUT_SHARE = 0.45  # of the timeout, for each of the two: one silent registry must not use it all

Query = Callable[[Domain, RunningCheck], Awaitable[DomainRegistration]]


async def probe(target: Domain, check: RunningCheck) -> ProbeResult:
    """Ask RDAP, then WHOIS; a domain without an expiry date in either is unknown, not down."""
    queries: list[Query] = [
        query
        for query, is_configured in ((query_rdap, target.rdap_url), (query_whois, target.whois_server))
        if is_configured
    ]
    failures: list[str] = []
    for query in queries:
        try:
            async with asyncio.timeout(check.snapshot.timeout_ms / 1000 * TIMEOUT_SHARE):
                return _evaluate(target, await query(target, check), detailed=check.detailed)
        except ExpiryUnknown as error:
            failures.append(str(error))
        except TimeoutError:
            failures.append("no answer")
    raise CheckInconclusive(f"nobody says when {target.domain} ends: {'; '.join(failures)}")


def _evaluate(target: Domain, registration: DomainRegistration, *, detailed: bool) -> ProbeResult:
    name, ends_ms = target.domain.lower(), clock.epoch_ms(registration.ends_at)
    days = days_left(ends_ms, clock.now_ms())
    identity = f"{name} {registration.ends_at:%Y-%m-%d}"
    expiring.record(ExpiringItem("domain", identity, name, registration.registrar, ends_ms))
    message = f"the domain ends in {days} days" if days >= 0 else f"the domain ended on {registration.ends_at:%Y-%m-%d}"
    facts = {
        "domain": target.domain,
        "ends_at": registration.ends_at.isoformat().replace("+00:00", "Z"),
        "days_left": days,
        "source": registration.source,
        "registrar": registration.registrar,
        "states": registration.states,
    }
    if days <= target.critical_days:
        raise TargetFailed(message, detail=facts)
    if days <= target.warning_days:
        return ProbeResult(Status.DEGRADED, 0, message, facts, days)
    return ProbeResult(Status.UP, ANSWERED, "", facts if detailed else None, days)
