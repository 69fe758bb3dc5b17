"""Looks how long a domain is registered for."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from actors.probes.kit import expiring
from actors.probes.kit.context import Asked
from actors.probes.kit.result import Failed, Seen, Unsure
from actors.probes.protocols.registry_client import Silent, by_rdap, by_whois
from actors.probes.protocols.registry_parsing import Registration
from schema.heartbeat_texts import ANSWERED
from schema.jobs import Ends
from schema.status import Status
from schema.targets import Domain

DAY_S = 86_400
SHARE = 0.45  # of the timeout, for each of the two: a registry's silence is not the domain's

Ask = Callable[[Domain, Asked], Awaitable[Registration]]


async def probe(target: Domain, asked: Asked) -> Seen:
    """Ask RDAP, then WHOIS; a domain of which neither knows is unknown, not down."""
    ways: list[Ask] = [way for way, given in ((by_rdap, target.rdap_url), (by_whois, target.whois_server)) if given]
    silence: list[str] = []
    for way in ways:
        try:
            async with asyncio.timeout(asked.snapshot.timeout_ms / 1000 * SHARE):
                return _judged(target, await way(target, asked), detailed=asked.detailed)
        except Silent as silent:
            silence.append(str(silent))
        except TimeoutError:
            silence.append("no answer")
    raise Unsure(f"nobody says when {target.domain} ends: {'; '.join(silence)}")


def _judged(target: Domain, found: Registration, *, detailed: bool) -> Seen:
    days = int((found.ends_at - datetime.now(UTC)).total_seconds() // DAY_S)
    expiring.note(_ends(target.domain.lower(), found))
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
        raise Failed(words, detail=facts)
    if days <= target.warning_days:
        return Seen(Status.DEGRADED, 0, words, facts, days)
    return Seen(Status.UP, ANSWERED, "", facts if detailed else None, days)


def _ends(domain: str, found: Registration) -> Ends:
    identity, ends_ms = f"{domain} {found.ends_at:%Y-%m-%d}", round(found.ends_at.timestamp() * 1000)
    return Ends("domain", identity, domain, found.registrar, ends_ms)
