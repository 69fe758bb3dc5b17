"""Whether several name servers say the same of a name."""

import asyncio
from collections.abc import Sequence
from typing import Any

from dns.exception import Timeout
from msgspec import Struct

from actors.probes.kit.context import Asked
from actors.probes.kit.result import Failed, Unsure
from actors.probes.net.dns_lookup import Said, ask
from actors.probes.net.dns_servers import resolver_for
from schema.status import Status
from schema.targets import Dns

SHARE = 0.4  # of the timeout: one dead server must not take the verdict on the others with it
NEARLY = 0.7  # of the threshold: degraded instead of down
RECORDS_KEPT = 10  # of each server, in a detail


class Told(Struct, frozen=True):
    """What one of the servers said. `agrees` is None when we could not ask it."""

    server: str
    agrees: bool | None
    records: list[str] = []
    trouble: str = ""


class Spread(Struct, frozen=True):
    """How far an answer has come."""

    told: list[Told]
    threshold: float

    @property
    def asked(self) -> int:
        """Servers we could ask."""
        return sum(one.agrees is not None for one in self.told)

    @property
    def agreeing(self) -> int:
        """Those that say the same."""
        return sum(one.agrees is True for one in self.told)

    @property
    def percent(self) -> float:
        """Of those we could ask."""
        return 100 * self.agreeing / self.asked

    @property
    def status(self) -> Status:
        """Up from the threshold, degraded from 0.7 of it."""
        if self.percent >= self.threshold:
            return Status.UP
        return Status.DEGRADED if self.percent >= NEARLY * self.threshold else Status.DOWN

    @property
    def words(self) -> str:
        """For people."""
        return f"{self.agreeing} of {self.asked} name servers agree, {self.percent:.0f} %"

    def facts(self) -> dict[str, Any]:
        """For a detail, under document 002's names."""
        words = {Status.UP: "success", Status.DEGRADED: "warning", Status.DOWN: "error"}
        return {
            "status": words[self.status],
            "total_count": self.asked,
            "successful_count": sum(bool(one.records) for one in self.told),
            "consistent_count": self.agreeing,
            "percentage": round(self.percent, 1),
            "threshold": self.threshold,
            "resolvers": [
                {"ip": one.server, "consistent": one.agrees, "records": one.records, "error": one.trouble}
                for one in self.told
            ],
        }


async def spread(target: Dns, first: Said, asked: Asked) -> Spread:
    """Ask all of them at once. Raises Unsure when we could ask none; Refused."""
    told = await asyncio.gather(*(_one(target, first, server, asked) for server in target.resolvers))
    if all(one.agrees is None for one in told):
        raise Unsure(_first_trouble(told))
    return Spread(list(told), target.propagation_threshold)


def _first_trouble(told: Sequence[Told]) -> str:
    return next(one.trouble for one in told)


async def _one(target: Dns, first: Said, server: str, asked: Asked) -> Told:
    resolver = resolver_for(target, asked, server)
    resolver.lifetime = asked.snapshot.timeout_ms / 1000 * SHARE
    try:
        said = await ask(target, resolver, own=False)
    except Failed as failed:
        return Told(server, agrees=False, trouble=str(failed))
    except Unsure as unsure:
        return Told(server, agrees=None, trouble=str(unsure))
    except Timeout:
        return Told(server, agrees=False, trouble="no answer")
    agrees = not said.lacks(target) if target.expected else said.meaning == first.meaning
    return Told(server, agrees, said.records[:RECORDS_KEPT])
