"""What senders send with: one HTTP session and one door, made once per process and shared by every send."""

from dataclasses import dataclass
from socket import socket

import aiohttp

from actors.senders.kit.sandbox_pool import Cages
from app.security.network.aiohttp_connector import Door
from app.security.network.egress import Egress
from app.security.network.resolver import Names
from app.settings import Settings

KEPT_S = 1.0  # a connection serves a burst; kept longer, it may be gone when the next message needs it
CONNECTIONS = 1_000  # far above what one channel is given at once: receivers that hang must not hold up the others


@dataclass(frozen=True, slots=True)
class Tools:
    """Belongs to the loop that opened it; every connection goes through the one door out.

    hooks    webhooks go by a policy of their own
    cages    processes for services that are not ours; what they want to send comes out here
    """

    http: aiohttp.ClientSession
    hooks: aiohttp.ClientSession
    egress: Egress
    hooks_egress: Egress
    names: Names
    cages: Cages

    async def connect(self, host: str, port: int) -> socket:
        """A connected socket. Raises egress.Refused and OSError."""
        return await self.egress.socket_to(host, port)

    def doors(self) -> dict[str, Egress]:
        """Each way out, by the setting that it follows."""
        return {"egress.senders": self.egress, "egress.webhooks": self.hooks_egress}

    async def close(self) -> None:
        """Close what is open."""
        await self.http.close()
        await self.hooks.close()
        self.names.close()
        self.cages.close()


async def open_tools(settings: Settings) -> Tools:  # noqa: ARG001  # admins set the policies, and `Policies` brings them
    """The process's tools, on the running loop."""
    return opened()


def opened(names: Names | None = None) -> Tools:
    """Tools that may go wherever the default lets them; names are resolved by the system unless given."""
    names = names or Names()
    egress, hooks_egress = Egress(names), Egress(names)
    return Tools(_session(egress), _session(hooks_egress), egress, hooks_egress, names, Cages())


def _session(egress: Egress) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=Door(egress, limit=CONNECTIONS, keepalive_timeout=KEPT_S),
        timeout=aiohttp.ClientTimeout(total=None),  # `senders.send` limits the whole
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # an error's body is bounded as it comes
    )
