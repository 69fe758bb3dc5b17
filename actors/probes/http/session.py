"""The way to a target that is not the everyday one: another family or name server, a client certificate, a proxy,
one connection for several requests, or a stopwatch beside it. A session for one check; the everyday way costs nothing
of this.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from socket import inet_aton, socket
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from msgspec import Struct
from yarl import URL

from actors.probes.http.timing import Phases
from actors.probes.kit.context import SENT, Asked, session_behind
from actors.probes.kit.result import Unsure
from actors.probes.net.address_family import addresses_of
from actors.probes.net.tls import context_for, context_of
from app.domain.parsing.credential_encoding import in_utf8
from app.security.network.aiohttp_connector import ONE_USE, Door
from app.security.network.egress import Egress
from app.security.network.resolver import literal
from schema.proxies import Protocol, ProxyConfig
from schema.targets.http import IpFamily

KEPT: dict[str, Any] = {"force_close": False, "limit": 1}  # one connection, request after request
HEADERS_KEPT = {name: value for name, value in SENT.items() if name != "Connection"}


class Wishes(Struct, frozen=True, kw_only=True):
    """What a monitor wants of the way.

    resolver    IP address and port of a name server; no address: the system's
    kept        all requests on one connection
    tunnelled   through an HTTP proxy by CONNECT, even without TLS
    between     what looks at each answer before aiohttp does
    """

    ignore_tls_errors: bool = False
    tls_cert: str = ""
    tls_key: str = ""
    tls_ca: str = ""
    family: IpFamily = IpFamily.ANY
    resolver: tuple[str, int] = ("", 53)
    proxied: bool = False
    kept: bool = False
    tunnelled: bool = False
    between: tuple[aiohttp.ClientMiddlewareType, ...] = ()


class Way(Struct, frozen=True):
    """A session, and what its requests need.

    ssl      as aiohttp takes it; of a bool, True is the everyday context
    proxy    an HTTP proxy's address, credentials in it
    """

    session: aiohttp.ClientSession
    ssl: ssl.SSLContext | bool
    proxy: URL | None = None
    phases: Phases | None = None


@asynccontextmanager
async def opened(wishes: Wishes, asked: Asked, egress: Egress | None = None) -> AsyncIterator[Way]:
    """The way there, for as long as one check takes.

    egress    the door to the target; default: the one of checks, which a proxy on the way is reached by in any case
    """
    proxy = proxy_of(wishes, asked)
    tunnel = proxy if proxy and _is_tunnel(proxy, wishes) else None
    phases = Phases()
    doors = (egress or asked.tools.egress, asked.tools.egress)
    door = _OwnDoor(doors, wishes, tunnel, phases, ssl=context_for(asked.tools))
    session = session_behind(door, HEADERS_KEPT if wishes.kept else SENT, wishes.between)
    try:
        yield Way(session, context_of(wishes, asked.tools), _url_of(proxy) if proxy and not tunnel else None, phases)
    finally:
        await session.close()


def _is_tunnel(proxy: ProxyConfig, wishes: Wishes) -> bool:
    """Whether a connection is led through the proxy first; else aiohttp speaks HTTP with it. Raises Unsure."""
    if wishes.tunnelled and proxy.protocol is Protocol.HTTPS:
        raise Unsure("an https proxy does not carry ws: take wss, or another protocol to the proxy")
    return proxy.protocol not in {Protocol.HTTP, Protocol.HTTPS} or wishes.tunnelled


def proxy_of(wishes: Wishes, asked: Asked) -> ProxyConfig | None:
    """The proxy to go through. Raises Unsure when it is gone."""
    if not wishes.proxied:
        return None
    if asked.snapshot.proxy is None:
        raise Unsure("the proxy of this monitor is gone")
    return asked.snapshot.proxy


class _OwnDoor(Door):
    """Connects the way the monitor wishes, and takes the time of each step."""

    def __init__(
        self, doors: tuple[Egress, Egress], wishes: Wishes, tunnel: ProxyConfig | None, phases: Phases, **options: Any
    ) -> None:
        egress, self._to_proxy = doors
        self._wishes, self._tunnel, self._phases = wishes, tunnel, phases
        super().__init__(egress, **options, **(KEPT if wishes.kept else ONE_USE))

    async def _through_the_door(self, req: ClientRequest) -> tuple[asyncio.Transport, ResponseHandler]:
        host, context = req.url.raw_host or "", self._get_ssl_context(req)
        opened = await self._socket_to(host, req.port or 0)
        try:
            with self._phases.timing("tls" if context else "connect"):
                return await self._loop.create_connection(
                    self._factory,
                    sock=opened,
                    ssl=context,
                    server_hostname=(req.server_hostname or host).rstrip(".") if context else None,
                )
        except BaseException:
            opened.close()
            raise

    async def _create_proxy_connection(self, req: ClientRequest, *args: Any, **options: Any) -> Any:
        """To an HTTP proxy, which resolves names itself; what is no name we can judge."""
        refuse_numbers(self._egress, req.url.raw_host or "")
        return await super()._create_proxy_connection(req, *args, **options)

    async def _socket_to(self, host: str, port: int) -> socket:
        with self._phases.timing("dns"):
            found = await self._addresses(host)
        with self._phases.timing("connect"):
            if self._tunnel:
                from actors.probes.net import proxy  # noqa: PLC0415  # a library that most checks never need

                return await proxy.connected(self._to_proxy, self._tunnel, found[0], port)
            return await self._first().socket_among(found, port)

    def _first(self) -> Egress:
        """The door to whom is connected first: an HTTP proxy, or the target."""
        return self._to_proxy if self._wishes.proxied else self._egress

    async def _addresses(self, host: str) -> tuple[str, ...]:
        """Where to connect; a name stays one where the proxy resolves it."""
        if self._tunnel and self._tunnel.protocol in {Protocol.SOCKS5H, Protocol.HTTP}:
            refuse_numbers(self._egress, host)
            return (host,)
        if self._wishes.proxied and not self._tunnel:  # the host is the HTTP proxy itself
            return await self._to_proxy.addresses(host)
        only_4 = self._tunnel and self._tunnel.protocol is Protocol.SOCKS4
        family = IpFamily.IPV4 if only_4 else self._wishes.family
        return await addresses_of(self._egress, host, family, self._wishes.resolver)


def refuse_numbers(egress: Egress, host: str) -> None:
    """Raise Refused for an address, however written, that checks may not reach. Names are the proxy's business."""
    own = literal(host)
    if not own:
        try:
            own = str(IPv4Address(inet_aton(host)))
        except OSError:
            return
    egress.check(own)


def _url_of(proxy: ProxyConfig) -> URL:
    try:
        return URL.build(
            scheme=proxy.protocol.value,
            user=in_utf8(proxy.username) or None,
            password=in_utf8(proxy.password) or None,
            host=proxy.host,
            port=proxy.port,
        )
    except ValueError as error:
        raise Unsure("the proxy's address can't be written") from error
