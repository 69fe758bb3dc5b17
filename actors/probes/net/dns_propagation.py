"""Checks whether several name servers agree on a name."""

import asyncio
from typing import Any

from dns.exception import Timeout
from msgspec import Struct

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import CheckInconclusive, TargetFailed
from actors.probes.net.dns_lookup import DnsResponse, query_dns
from actors.probes.net.dns_servers import resolver_for
from schema.status import Status
from schema.targets import Dns

TIMEOUT_SHARE = 0.4  # of the timeout: one dead server must not leave the others without a result
DEGRADED_SHARE = 0.7  # of the threshold: degraded instead of down
MAX_RECORDS = 10  # of each server, in a detail


class ResolverResult(Struct, frozen=True):
    """One server's result. `agrees` is None when we could not query it."""

    server: str
    agrees: bool | None
    records: list[str] = []
    error: str = ""


class Propagation(Struct, frozen=True):
    """How many servers agree."""

    results: list[ResolverResult]
    threshold: float

    @property
    def queried(self) -> int:
        """Servers that we could query."""
        return sum(one.agrees is not None for one in self.results)

    @property
    def agreeing(self) -> int:
        """Servers with the same records."""
        return sum(one.agrees is True for one in self.results)

    @property
    def percent(self) -> float:
        """Of those that we could query."""
        return 100 * self.agreeing / self.queried

    @property
    def status(self) -> Status:
        """Up from the threshold, degraded from 0.7 of it."""
        if self.percent >= self.threshold:
            return Status.UP
        return Status.DEGRADED if self.percent >= DEGRADED_SHARE * self.threshold else Status.DOWN

    @property
    def message(self) -> str:
        """The counts as a sentence."""
        return f"{self.agreeing} of {self.queried} name servers agree, {self.percent:.0f} %"

    def facts(self) -> dict[str, Any]:
        """For a detail, under document 002's names."""
        words = {Status.UP: "success", Status.DEGRADED: "warning", Status.DOWN: "error"}
        return {
            "status": words[self.status],
            "total_count": self.queried,
            "successful_count": sum(bool(one.records) for one in self.results),
            "consistent_count": self.agreeing,
            "percentage": round(self.percent, 1),
            "threshold": self.threshold,
            "resolvers": [
                {"ip": one.server, "consistent": one.agrees, "records": one.records, "error": one.error}
                for one in self.results
            ],
        }


async def check_propagation(target: Dns, reference: DnsResponse, check: RunningCheck) -> Propagation:
    """Query all resolvers at once. Raises CheckInconclusive when we could query none; EgressDenied."""
    results = await asyncio.gather(*(_query_resolver(target, reference, server, check) for server in target.resolvers))
    if all(one.agrees is None for one in results):
        raise CheckInconclusive(results[0].error)
    return Propagation(list(results), target.propagation_threshold)


async def _query_resolver(target: Dns, reference: DnsResponse, server: str, check: RunningCheck) -> ResolverResult:
    resolver = resolver_for(target, check, server)
    resolver.lifetime = check.snapshot.timeout_ms / 1000 * TIMEOUT_SHARE
    try:
        response = await query_dns(target, resolver, is_system_resolver=False)
    except TargetFailed as error:
        return ResolverResult(server, agrees=False, error=str(error))
    except CheckInconclusive as error:
        return ResolverResult(server, agrees=None, error=str(error))
    except Timeout:
        return ResolverResult(server, agrees=False, error="no answer")
    agrees = not response.missing_records(target) if target.expected else response.normalized == reference.normalized
    return ResolverResult(server, agrees, response.records[:MAX_RECORDS])
