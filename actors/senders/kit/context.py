"""The senders' shared resources: HTTP sessions, egress, resolver and sandboxes, one set per process."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from actors.senders.kit.report import SendReport
from actors.senders.kit.sandbox_pool import SandboxPool
from app.security.network.aiohttp_connector import EgressConnector
from app.security.network.egress import Egress
from app.security.network.resolver import Resolver
from schema.proxies import ProxyConfig

ResponseCheck = Callable[[aiohttp.ClientResponse], Awaitable[None]]

KEEPALIVE_S = 1.0  # enough for a burst; a connection kept longer may be dead when the next message needs it
MAX_CONNECTIONS = 1_000  # far above the parallel sends of one channel: receivers that hang must not block the others


@dataclass(frozen=True, slots=True)
class SenderContext:
    """Belongs to the loop that opened it. Every connection obeys an egress policy.

    webhook_http    webhooks have their own egress policy
    sandboxes       processes that run Apprise; their HTTP requests are made here
    proxy           that of the channel, which the sessions go through; other connections must do so themselves
    report          of one send: `senders.send` gives each its own
    """

    http: aiohttp.ClientSession
    webhook_http: aiohttp.ClientSession
    egress: Egress
    webhook_egress: Egress
    resolver: Resolver
    sandboxes: SandboxPool
    proxy: ProxyConfig | None = None
    report: SendReport = field(default_factory=SendReport)

    def egress_by_setting(self) -> dict[str, Egress]:
        """Each egress by the key of the setting that holds its policy."""
        return {"egress.senders": self.egress, "egress.webhooks": self.webhook_egress}

    async def close(self) -> None:
        """Close the sessions, the resolver and the sandboxes."""
        await self.http.close()
        await self.webhook_http.close()
        self.resolver.close()
        self.sandboxes.close()


def make_context(resolver: Resolver | None = None) -> SenderContext:
    """Create a context on the running loop. `EgressReload` later replaces its default egress policies.

    resolver    default: the system's
    """
    resolver = resolver or Resolver()
    egress, webhook_egress = Egress(resolver), Egress(resolver)
    return SenderContext(_session(egress), _session(webhook_egress), egress, webhook_egress, resolver, SandboxPool())


def _session(egress: Egress) -> aiohttp.ClientSession:
    return new_session(EgressConnector(egress, limit=MAX_CONNECTIONS, keepalive_timeout=KEEPALIVE_S))


def new_session(
    connector: EgressConnector, proxy: URL | None = None, check_response: ResponseCheck | None = None
) -> aiohttp.ClientSession:
    """A session without cookies, limits of time, or decoding.

    proxy             that all its requests are sent to, with credentials
    check_response    raises for a response that is not the receiver's
    """
    return aiohttp.ClientSession(
        connector=connector,
        proxy=proxy,
        raise_for_status=check_response or False,
        timeout=aiohttp.ClientTimeout(total=None),  # `senders.send` limits the whole send
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # error bodies are bounded as received
    )
