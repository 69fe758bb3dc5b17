"""What probes share: made once per process, on the loop that runs the checks."""

import ssl
from dataclasses import dataclass, field

import aiohttp

from actors.probes.kit.connectivity import Uplink
from actors.probes.kit.http_response import HttpProbeResponse
from actors.probes.kit.token_cache import TokenCache
from app.security.network.aiohttp_connector import SINGLE_USE, EgressConnector
from app.security.network.egress import Egress
from app.security.network.resolver import Resolver
from app.security.network.tls_client import VERIFYING, client_context
from app.settings import Settings
from schema.jobs import Slot
from schema.monitors import Snapshot

CACHED_NAMES_PER_CHECK = 5  # cached names for each check that may run at once: redirects need more than one
MAX_LINE_BYTES = 16_384  # a status line
MAX_HEADER_BYTES = 65_536  # one header; content policies of real sites exceed aiohttp's 8 kB
MAX_HEADERS = 256
DEFAULT_HEADERS = {
    "User-Agent": "Watchkeeper",
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "close",
}


@dataclass(frozen=True, slots=True)
class ProbeContext:
    """The egress policies and one shared HTTP session.

    oauth_egress    for requests to token endpoints
    uplink          whether our own network works
    trust           how certificates are verified; None: the system's authorities
    tokens          OAuth2 tokens, until they expire
    """

    names: Resolver
    egress: Egress
    oauth_egress: Egress
    http: aiohttp.ClientSession
    uplink: Uplink
    trust: ssl.SSLContext | None = None
    tokens: TokenCache = field(default_factory=TokenCache)

    def egress_by_setting(self) -> dict[str, Egress]:
        """Each egress by the setting that it follows."""
        return {"egress.checks": self.egress, "egress.oauth": self.oauth_egress}

    async def close(self) -> None:
        """Close every connection; running checks fail."""
        await self.http.close()
        self.names.close()


@dataclass(frozen=True, slots=True)
class RunningCheck:
    """One check of one target, while it runs.

    detailed    whether a person waits for the detail, even of a passing check
    """

    slot: Slot
    snapshot: Snapshot
    context: ProbeContext
    detailed: bool


async def open_probe_context(
    settings: Settings, *, trust: ssl.SSLContext | None = None, names: Resolver | None = None
) -> ProbeContext:
    """Make the context on the running loop.

    trust    how certificates are verified; default: the system's authorities
    names    resolves names; default: the system
    """
    names = names or Resolver(max_cached=CACHED_NAMES_PER_CHECK * settings.check_concurrency)
    egress = Egress(names)
    uplink = Uplink(egress, names, settings.connectivity_check_hosts)
    session = new_client_session(EgressConnector(egress, ssl=client_context(VERIFYING, trust), **SINGLE_USE))
    return ProbeContext(names, egress, Egress(names), session, uplink, trust)


def new_client_session(
    connector: EgressConnector,
    headers: dict[str, str] = DEFAULT_HEADERS,
    middlewares: tuple[aiohttp.ClientMiddlewareType, ...] = (),
) -> aiohttp.ClientSession:
    """A session without cookies, timeouts, retries or decoding: probes do that themselves where they need it."""
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        response_class=HttpProbeResponse,
        headers=headers,
        middlewares=middlewares,
        max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_HEADER_BYTES,
        max_headers=MAX_HEADERS,
    )
    session._retry_connection = False  # noqa: SLF001  # a connection that breaks is a result; no retries
    return session
