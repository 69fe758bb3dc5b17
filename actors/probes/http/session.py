"""HTTP sessions for checks that can't use the shared one: an address family or name server of their own, a client
certificate, a proxy, one connection for several requests, or timings. Each lasts for one check.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import socket
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from msgspec import Struct
from yarl import URL

from actors.probes.http.timing import Timings
from actors.probes.kit.context import DEFAULT_HEADERS, RunningCheck, new_client_session
from actors.probes.kit.result import CheckInconclusive
from actors.probes.net.address_family import RESOLVED_BY_PROXY, check_literal_address, resolve_addresses
from actors.probes.net.tls import default_tls_context, target_tls_context
from app.domain.parsing.credential_encoding import utf8_as_latin1
from app.security.network.aiohttp_connector import SINGLE_USE, EgressConnector
from app.security.network.egress import Egress
from schema.proxies import ProxyConfig, ProxyProtocol
from schema.targets.http import IpFamily

KEEP_ALIVE: dict[str, Any] = {"force_close": False, "limit": 1}  # one connection for all requests
KEEP_ALIVE_HEADERS = {name: value for name, value in DEFAULT_HEADERS.items() if name != "Connection"}


class ConnectionOptions(Struct, frozen=True, kw_only=True):
    """How a monitor wants to connect.

    resolver       IP address and port of a name server; no address: the system's
    keep_alive     all requests on one connection
    use_tunnel     CONNECT through an HTTP proxy, even without TLS
    middlewares    see each response before aiohttp does
    """

    ignore_tls_errors: bool = False
    tls_cert: str = ""
    tls_key: str = ""
    tls_ca: str = ""
    family: IpFamily = IpFamily.ANY
    resolver: tuple[str, int] = ("", 53)
    use_proxy: bool = False
    keep_alive: bool = False
    use_tunnel: bool = False
    middlewares: tuple[aiohttp.ClientMiddlewareType, ...] = ()


class HttpSession(Struct, frozen=True):
    """An aiohttp session and the arguments of its requests.

    ssl      as aiohttp takes it; True is the default context
    proxy    an HTTP proxy's URL, with credentials
    """

    client: aiohttp.ClientSession
    ssl: ssl.SSLContext | bool
    proxy: URL | None = None
    timings: Timings | None = None


@asynccontextmanager
async def open_session(
    connection: ConnectionOptions, check: RunningCheck, egress: Egress | None = None
) -> AsyncIterator[HttpSession]:
    """A session for one check.

    egress    for the target; default: that of checks, which always applies to the proxy
    """
    proxy = required_proxy(connection, check)
    tunnel = proxy if proxy and _is_tunnel(proxy, connection) else None
    timings = Timings()
    egresses = (egress or check.context.egress, check.context.egress)
    connector = _CheckConnector(egresses, connection, tunnel, timings, ssl=default_tls_context(check.context))
    session = new_client_session(
        connector, KEEP_ALIVE_HEADERS if connection.keep_alive else DEFAULT_HEADERS, connection.middlewares
    )
    try:
        yield HttpSession(
            session,
            target_tls_context(connection, check.context),
            _proxy_url(proxy) if proxy and not tunnel else None,
            timings,
        )
    finally:
        await session.close()


def proxied_connector(proxy: ProxyConfig, egress: Egress) -> tuple[EgressConnector, URL | None]:
    """A connector through a proxy for requests outside of a check, and `HttpSession.proxy` for its session.

    egress    for the target and for the proxy itself
    """
    connection = ConnectionOptions(use_proxy=True)
    tunnel = proxy if _is_tunnel(proxy, connection) else None
    connector = _CheckConnector((egress, egress), connection, tunnel, Timings())
    return connector, None if tunnel else _proxy_url(proxy)


def _is_tunnel(proxy: ProxyConfig, connection: ConnectionOptions) -> bool:
    """Whether to tunnel through the proxy; else aiohttp speaks HTTP with it. Raises CheckInconclusive."""
    if connection.use_tunnel and proxy.protocol is ProxyProtocol.HTTPS:
        raise CheckInconclusive("an https proxy does not carry ws: take wss, or another protocol to the proxy")
    return proxy.protocol not in {ProxyProtocol.HTTP, ProxyProtocol.HTTPS} or connection.use_tunnel


def required_proxy(connection: ConnectionOptions, check: RunningCheck) -> ProxyConfig | None:
    """The proxy to use, if any. Raises CheckInconclusive when it has been deleted."""
    if not connection.use_proxy:
        return None
    if check.snapshot.proxy is None:
        raise CheckInconclusive("the proxy of this monitor is gone")
    return check.snapshot.proxy


class _CheckConnector(EgressConnector):
    """Connects with the monitor's options and measures each step."""

    def __init__(
        self,
        egresses: tuple[Egress, Egress],
        connection: ConnectionOptions,
        tunnel: ProxyConfig | None,
        timings: Timings,
        **options: Any,
    ) -> None:
        egress, self._proxy_egress = egresses
        self._connection_options, self._tunnel, self._timings = connection, tunnel, timings
        super().__init__(egress, **options, **(KEEP_ALIVE if connection.keep_alive else SINGLE_USE))

    async def _connect_by_egress(self, req: ClientRequest) -> tuple[asyncio.Transport, ResponseHandler]:
        host, tls = req.url.raw_host or "", self._get_ssl_context(req)
        sock = await self._socket_to(host, req.port or 0)
        try:
            with self._timings.measure("tls" if tls else "connect"):
                return await self._loop.create_connection(
                    self._factory,
                    sock=sock,
                    ssl=tls,
                    server_hostname=(req.server_hostname or host).rstrip(".") if tls else None,
                )
        except BaseException:
            sock.close()
            raise

    async def _create_proxy_connection(self, req: ClientRequest, *args: Any, **options: Any) -> Any:
        """To an HTTP proxy, which resolves names itself: we can only check literal addresses."""
        check_literal_address(self._egress, req.url.raw_host or "")
        return await super()._create_proxy_connection(req, *args, **options)

    async def _socket_to(self, host: str, port: int) -> socket:
        with self._timings.measure("dns"):
            addresses = await self._addresses(host)
        with self._timings.measure("connect"):
            if self._tunnel:
                from actors.probes.net import proxy  # noqa: PLC0415  # most checks never need it

                return await proxy.connect_through(self._proxy_egress, self._tunnel, addresses[0], port)
            return await self._first_egress().socket_among(addresses, port)

    def _first_egress(self) -> Egress:
        """The egress of the first hop: an HTTP proxy, or the target."""
        return self._proxy_egress if self._connection_options.use_proxy else self._egress

    async def _addresses(self, host: str) -> tuple[str, ...]:
        """Where to connect; a name stays one where the proxy resolves it."""
        if self._tunnel and self._tunnel.protocol in RESOLVED_BY_PROXY:
            check_literal_address(self._egress, host)
            return (host,)
        if self._connection_options.use_proxy and not self._tunnel:  # the host is the HTTP proxy itself
            return await self._proxy_egress.addresses(host)
        ipv4_only = self._tunnel and self._tunnel.protocol is ProxyProtocol.SOCKS4
        family = IpFamily.IPV4 if ipv4_only else self._connection_options.family
        return await resolve_addresses(self._egress, host, family, self._connection_options.resolver)


def _proxy_url(proxy: ProxyConfig) -> URL:
    try:
        return URL.build(
            scheme=proxy.protocol.value,
            user=utf8_as_latin1(proxy.username) or None,
            password=utf8_as_latin1(proxy.password) or None,
            host=proxy.host,
            port=proxy.port,
        )
    except ValueError as error:
        raise CheckInconclusive("the proxy's address can't be written") from error
