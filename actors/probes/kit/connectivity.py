"""Our own way out: is it there? Decides doubtful failures, so that a dead router does not page people for the world.

A check that failed at a public address says little while *anchors* (addresses that are known to be always there) can't
be reached either: then it was our network, the slot is *unknown* and nobody is called. What stands in our own network
is judged as ever: it is reached without the way out.
"""

import asyncio
from collections.abc import Iterator, Sequence
from time import monotonic

from actors.probes.kit.target_hosts import hosts_of
from app.domain.system.egress_rules import is_public
from app.security.network.egress import Egress, EgressDenied
from app.security.network.resolver import NameUnknown, Resolver, ResolverUnavailable
from schema.monitors import Snapshot

Anchor = tuple[str, int]

ANCHORS_TIMEOUT_S = 3.0  # for all anchors together
VERDICT_TTL_S = 2.0  # how long a verdict holds: of one moment's failures the first asks for all
MIN_BLOCKED_MONITORS = (
    3  # monitors that could not be asked because of our network: one may be misconfigured, three are not
)
BLOCKED_WINDOW_S = 60.0
UPLINK_DOWN = "our own network is gone: no anchor can be reached"


class Uplink:
    """What this worker knows of the way out.

    anchors    hosts and ports of which one at least answers while there is a way out; without any nothing is doubted
    """

    def __init__(self, egress: Egress, names: Resolver, anchors: Sequence[Anchor] = ()) -> None:
        self._egress, self._names, self._anchors = egress, names, tuple(anchors)
        self._down, self._valid_until = False, 0.0
        self._refresh: asyncio.Task[bool] | None = None
        self._blocked: dict[int, float] = {}  # series → when our network kept us from asking

    def record_blocked(self, series: int) -> None:
        """Names or routes of ours kept us from asking this one."""
        self._blocked[series] = monotonic()

    async def explains_failure(self, snapshot: Snapshot) -> bool:
        """Whether a failure says nothing about its target, because we have no way there."""
        return bool(self._anchors) and await self._leads_outside(snapshot) and await self.is_down()

    async def is_down(self) -> bool:
        """Whether no anchor answers, as of the last seconds."""
        if not self._anchors:
            return False
        if monotonic() >= self._valid_until:
            self._refresh = self._refresh or asyncio.create_task(self._check_anchors())
            return await asyncio.shield(self._refresh)
        return self._down

    async def seems_down(self) -> bool:
        """The same, or several monitors that could not be asked within the last minute because of our network."""
        since = monotonic() - BLOCKED_WINDOW_S
        self._blocked = {series: at for series, at in self._blocked.items() if at >= since}
        return len(self._blocked) >= MIN_BLOCKED_MONITORS or await self.is_down()

    async def _check_anchors(self) -> bool:
        try:
            self._down = not await self._any_anchor_answers()
        finally:
            self._valid_until, self._refresh = monotonic() + VERDICT_TTL_S, None
        return self._down

    async def _any_anchor_answers(self) -> bool:
        tasks = [asyncio.create_task(self._can_connect(*anchor)) for anchor in self._anchors]
        try:
            for done in asyncio.as_completed(tasks, timeout=ANCHORS_TIMEOUT_S):
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
        """Whether every host on the way lies outside of our own networks."""
        hosts = list(_hosts_on_path(snapshot))
        return bool(hosts) and all([await self._is_outside(host) for host in hosts])

    async def _is_outside(self, host: str) -> bool:
        try:
            addresses = await self._names.addresses(host)
        except (NameUnknown, ResolverUnavailable):
            return True  # without a way out, names have no answers either
        return all(is_public(address) for address in addresses)


def _hosts_on_path(snapshot: Snapshot) -> Iterator[str]:
    """Where the check connects to: its proxy, or without one its target."""
    if snapshot.proxy is not None:
        yield snapshot.proxy.host
    else:
        yield from hosts_of(snapshot.target)
