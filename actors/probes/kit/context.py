"""What probes work with: made once per process, on the loop that runs the checks."""

import ssl
from dataclasses import dataclass, field

import aiohttp

from actors.probes.kit.connectivity import Uplink
from actors.probes.kit.http_response import Reply
from actors.probes.kit.token_cache import Tokens
from app.security.network.aiohttp_connector import ONE_USE, Door
from app.security.network.egress import Egress
from app.security.network.resolver import Names
from app.security.network.tls_client import CAREFUL, context
from app.settings import Settings
from schema.jobs import Slot
from schema.monitors import Snapshot

NAMES_PER_CHECK = 5  # kept names for each check that may run at once: redirects ask for more than one
LINE_BYTES = 16_384  # a status line
HEADER_BYTES = 65_536  # one header; content policies of real sites pass aiohttp's 8 kB
HEADERS = 256
SENT = {
    "User-Agent": "Watchkeeper",
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "close",
}


@dataclass(frozen=True, slots=True)
class Tools:
    """The door, and one HTTP session behind it.

    granting   the way to those who give tokens
    uplink     whether there is a way out at all
    trust      how certificates are verified; None: the system's authorities
    tokens     what OAuth2 gave us, until it expires
    """

    names: Names
    egress: Egress
    granting: Egress
    http: aiohttp.ClientSession
    uplink: Uplink
    trust: ssl.SSLContext | None = None
    tokens: Tokens = field(default_factory=Tokens)

    def doors(self) -> dict[str, Egress]:
        """Each way out, by the setting that it follows."""
        return {"egress.checks": self.egress, "egress.oauth": self.granting}

    async def close(self) -> None:
        """Close what is open; running checks fail."""
        await self.http.close()
        self.names.close()


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to one target.

    detailed    whether somebody waits to see everything, even of a passing check
    """

    slot: Slot
    snapshot: Snapshot
    tools: Tools
    detailed: bool


async def open_tools(settings: Settings, *, trust: ssl.SSLContext | None = None, names: Names | None = None) -> Tools:
    """Make the tools on the running loop.

    trust    how certificates are verified; default: the system's authorities
    names    who resolves names; default: the system
    """
    names = names or Names(most=NAMES_PER_CHECK * settings.check_concurrency)
    egress = Egress(names)
    uplink = Uplink(egress, names, settings.uplink_anchors)
    session = session_behind(Door(egress, ssl=context(CAREFUL, trust), **ONE_USE))
    return Tools(names, egress, Egress(names), session, uplink, trust)


def session_behind(
    door: Door, headers: dict[str, str] = SENT, middlewares: tuple[aiohttp.ClientMiddlewareType, ...] = ()
) -> aiohttp.ClientSession:
    """No cookies, no timers, no second tries, no unpacking: each is a check's own business, and costs every check."""
    session = aiohttp.ClientSession(
        connector=door,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        response_class=Reply,
        headers=headers,
        middlewares=middlewares,
        max_line_size=LINE_BYTES,
        max_field_size=HEADER_BYTES,
        max_headers=HEADERS,
    )
    session._retry_connection = False  # noqa: SLF001  # a connection that breaks off is an answer, not an accident
    return session
