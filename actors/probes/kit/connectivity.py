"""Checks our own uplink, so that a dead router does not raise an alert for every monitor.

A check that failed at a public address proves little while none of CONNECTIVITY_CHECK_HOSTS (hosts that are always up)
can be reached: then our network is down, the result is *unknown* and nobody is alerted. Targets in our own networks
are evaluated as usual: they are reached without the uplink.
"""

import asyncio
from collections.abc import Iterator, Sequence
from time import monotonic

from actors.probes.kit.target_hosts import hosts_of
from app.domain.system.egress_rules import is_public
from app.security.network.egress import Egress, EgressDenied
from app.security.network.resolver import NameUnknown, Resolver, ResolverUnavailable
from schema.monitors import Snapshot

HostAndPort = tuple[str, int]

CONNECT_TIMEOUT_S = 3.0  # for all check hosts together
VERDICT_TTL_S = 2.0  # how long a verdict holds: of several failures at one moment the first checks for all
MIN_BLOCKED_MONITORS = 3  # monitors that our network kept us from checking: one may be misconfigured, three are not
BLOCKED_WINDOW_S = 60.0
UPLINK_DOWN = "our own network is down: no connectivity check host can be reached"


class Uplink:
    """What this worker knows of its uplink.

    check_hosts    at least one accepts connections while the uplink works; without any, no failure is doubted
    """

    def __init__(self, egress: Egress, names: Resolver, check_hosts: Sequence[HostAndPort] = ()) -> None:
        self._egress, self._names, self._check_hosts = egress, names, tuple(check_hosts)
        self._down, self._valid_until = False, 0.0
        self._refresh: asyncio.Task[bool] | None = None
        self._blocked: dict[int, float] = {}  # series → when our network kept us from checking it

    def record_blocked(self, series: int) -> None:
        """Note that our DNS or routes kept us from checking this series."""
        self._blocked[series] = monotonic()

    async def explains_failure(self, snapshot: Snapshot) -> bool:
        """Whether the failure proves nothing about its target, because our uplink is down."""
        return bool(self._check_hosts) and await self._leads_outside(snapshot) and await self.is_down()

    async def is_down(self) -> bool:
        """Whether no check host accepts a connection, as of the last seconds."""
        if not self._check_hosts:
            return False
        if monotonic() >= self._valid_until:
            self._refresh = self._refresh or asyncio.create_task(self._check_now())
            return await asyncio.shield(self._refresh)
        return self._down

    async def seems_down(self) -> bool:
        """As `is_down`, or our network kept us from checking several monitors within the last minute."""
        since = monotonic() - BLOCKED_WINDOW_S
        self._blocked = {series: at for series, at in self._blocked.items() if at >= since}
        return len(self._blocked) >= MIN_BLOCKED_MONITORS or await self.is_down()

    async def _check_now(self) -> bool:
        try:
            self._down = not await self._any_accepts()
        finally:
            self._valid_until, self._refresh = monotonic() + VERDICT_TTL_S, None
        return self._down

    async def _any_accepts(self) -> bool:
        tasks = [asyncio.create_task(self._can_connect(*one)) for one in self._check_hosts]
        try:
            for done in asyncio.as_completed(tasks, timeout=CONNECT_TIMEOUT_S):
                if await done:
                    return True
        except TimeoutError:
            return False
        finally:
            for task in tasks:
                task.cancel()
        return False

    async def _can_connect(self, host: str, port: int) -> bool:
        try:
            (await self._egress.socket_to(host, port)).close()
        except (OSError, EgressDenied):
            return False
        return True

    async def _leads_outside(self, snapshot: Snapshot) -> bool:
        """Whether every host on the path is outside of our own networks."""
        hosts = list(_hosts_on_path(snapshot))
        return bool(hosts) and all([await self._is_outside(host) for host in hosts])

    async def _is_outside(self, host: str) -> bool:
        try:
            addresses = await self._names.addresses(host)
        except (NameUnknown, ResolverUnavailable):
            return True  # without an uplink, DNS does not answer either
        return all(is_public(address) for address in addresses)


def _hosts_on_path(snapshot: Snapshot) -> Iterator[str]:
    """The hosts that the check connects to: its proxy, or else its target."""
    if snapshot.proxy is not None:
        yield snapshot.proxy.host
    else:
        yield from hosts_of(snapshot.target)
