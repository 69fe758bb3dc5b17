"""What senders send with: one HTTP session and one door, made once per process and shared by every send."""

from dataclasses import dataclass
from socket import socket

import aiohttp

from actors.senders.kit.sandbox_pool import SandboxPool
from app.security.network.aiohttp_connector import EgressConnector
from app.security.network.egress import Egress
from app.security.network.resolver import Resolver
from app.settings import Settings

KEEPALIVE_S = 1.0  # a connection serves a burst; kept longer, it may be gone when the next message needs it
MAX_CONNECTIONS = 1_000  # far above what one channel is given at once: receivers that hang must not hold up the others


@dataclass(frozen=True, slots=True)
class SenderContext:
    """Belongs to the loop that opened it; every connection goes through the one door out.

    hooks    webhooks go by a policy of their own
    cages    processes for services that are not ours; what they want to send comes out here
    """

    http: aiohttp.ClientSession
    webhook_http: aiohttp.ClientSession
    egress: Egress
    webhook_egress: Egress
    resolver: Resolver
    sandboxes: SandboxPool

    async def connect(self, host: str, port: int) -> socket:
        """A connected socket. Raises egress.Refused and OSError."""
        return await self.egress.socket_to(host, port)

    def egress_by_setting(self) -> dict[str, Egress]:
        """Each way out, by the setting that it follows."""
        return {"egress.senders": self.egress, "egress.webhooks": self.webhook_egress}

    async def close(self) -> None:
        """Close what is open."""
        await self.http.close()
        await self.webhook_http.close()
        self.resolver.close()
        self.sandboxes.close()


async def open_context(settings: Settings) -> SenderContext:  # noqa: ARG001  # admins set the policies, and `Policies` brings them
    """The process's tools, on the running loop."""
    return make_context()


def make_context(resolver: Resolver | None = None) -> SenderContext:
    """Tools that may go wherever the default lets them; names are resolved by the system unless given."""
    resolver = resolver or Resolver()
    egress, hooks_egress = Egress(resolver), Egress(resolver)
    return SenderContext(_session(egress), _session(hooks_egress), egress, hooks_egress, resolver, SandboxPool())


def _session(egress: Egress) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=EgressConnector(egress, limit=MAX_CONNECTIONS, keepalive_timeout=KEEPALIVE_S),
        timeout=aiohttp.ClientTimeout(total=None),  # `senders.send` limits the whole
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # an error's body is bounded as it comes
    )
