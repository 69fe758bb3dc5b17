"""What senders send with: one HTTP session and one door, made once per process and shared by every send."""

from dataclasses import dataclass
from socket import socket

import aiohttp

from app.security.door import Door
from app.security.egress import Egress
from app.security.names import Names
from app.settings import Settings

KEPT_S = 1.0  # a connection serves a burst; kept longer, it may be gone when the next message needs it
CONNECTIONS = 1_000  # far above what one channel is given at once: receivers that hang must not hold up the others


@dataclass(frozen=True, slots=True)
class Tools:
    """Belongs to the loop that opened it; every connection goes through the one door out."""

    http: aiohttp.ClientSession
    egress: Egress
    names: Names

    async def connect(self, host: str, port: int) -> socket:
        """A connected socket. Raises egress.Refused and OSError."""
        return await self.egress.socket_to(host, port)

    async def close(self) -> None:
        """Close what is open."""
        await self.http.close()
        self.names.close()


async def open_tools(settings: Settings) -> Tools:  # noqa: ARG001 - the policy has no settings of its own yet
    """The process's tools, on the running loop."""
    return opened()


def opened(*, private_allowed: bool = True) -> Tools:
    """Tools under that policy. People host their receivers beside what is watched, so private addresses are usual."""
    names = Names()
    egress = Egress(names, private_allowed=private_allowed)
    session = aiohttp.ClientSession(
        connector=Door(egress, limit=CONNECTIONS, keepalive_timeout=KEPT_S),
        timeout=aiohttp.ClientTimeout(total=None),  # `senders.send` limits the whole
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # an error's body is bounded as it comes
    )
    return Tools(session, egress, names)
