"""The one door out: decides where this process may connect, and connects.

A policy judges addresses, never names: whatever a URL, a redirect or a name server says, what counts is the
address that is about to be connected. `2130706433`, `0x7f.1` and `::ffff:127.0.0.1` are addresses in other clothes.
"""

import asyncio
import ssl as tls
from collections.abc import Callable
from socket import AF_INET, AF_INET6, IPPROTO_TCP, SOCK_STREAM, socket
from typing import TypeVar

import aiohappyeyeballs

from app.domain.system.egress_rules import CompiledPolicy, denial_reason
from app.security.network.resolver import Resolver, ip_literal
from app.security.network.tls_limits import apply_limits
from schema.settings import EgressPolicy

HAPPY_EYEBALLS_DELAY_S = 0.25  # RFC 8305: how long one address may hang before the next one is tried beside it
DEFAULT_POLICY = EgressPolicy()
Protocol = TypeVar("Protocol", bound=asyncio.BaseProtocol)


class EgressDenied(Exception):  # noqa: N818  # a policy's answer
    """We do not connect there; the sentence says where and why. No OSError: nobody should try again."""


class Egress:
    """A policy, and the connections it lets through.

    policy    default: addresses that are not public may be reached, for people watch what they host themselves
    """

    def __init__(self, resolver: Resolver, policy: EgressPolicy = DEFAULT_POLICY) -> None:
        self._resolver = resolver
        self._policy, self._rules = policy, CompiledPolicy(policy)

    def use_policy(self, policy: EgressPolicy) -> None:
        """From now on connect by this policy."""
        if policy != self._policy:
            self._policy, self._rules = policy, CompiledPolicy(policy)

    def check(self, address: str) -> None:
        """Raise Refused when this IP address may not be reached. For UDP and ICMP, where nothing is connected."""
        if words := denial_reason(address, self._rules):
            raise EgressDenied(words)

    def check_socket(self, path: str) -> None:
        """Raise Refused when this Unix socket may not be reached, in the same words whether there is one or not."""
        if path not in self._policy.sockets:
            raise EgressDenied("this Unix socket is not among those that checks may reach: refused")

    async def addresses(self, host: str) -> tuple[str, ...]:
        """Where a name or an address leads: never empty, each one allowed.

        raises    Refused, NameUnknown, NamesUnavailable
        """
        own = ip_literal(host)
        found = (own,) if own else await self._resolver.addresses(host)
        for address in found:
            self.check(address)
        return found

    async def socket_to(self, host: str, port: int) -> socket:
        """A connected, non-blocking socket: for libraries that take one. Raises as `addresses`, and OSError."""
        return await _connect_first(await self.addresses(host), port)

    async def socket_among(self, addresses: tuple[str, ...], port: int) -> socket:
        """The same to whichever of these IP addresses answers first. Raises Refused, OSError."""
        for address in addresses:
            self.check(address)
        return await _connect_first(addresses, port)

    async def connect(
        self,
        factory: Callable[[], Protocol],
        host: str,
        port: int,
        *,
        ssl: tls.SSLContext | None = None,
        server_hostname: str = "",
    ) -> tuple[asyncio.Transport, Protocol]:
        """A transport and its protocol, over TCP or TLS.

        server_hostname    what the certificate must be for; default: the host
        raises             Refused, NameUnknown, NamesUnavailable, ssl.SSLError, OSError
        """
        loop = asyncio.get_running_loop()
        name = (server_hostname or host).rstrip(".") if ssl else None  # the dot ends a name, and is in no certificate
        if ssl:
            apply_limits(ssl)
        addresses = await self.addresses(host)
        if len(addresses) == 1:  # the loop's own way is half the price of a socket made by us
            return await loop.create_connection(factory, addresses[0], port, ssl=ssl, server_hostname=name)
        opened = await _connect_first(addresses, port)
        try:
            return await loop.create_connection(factory, sock=opened, ssl=ssl, server_hostname=name)
        except BaseException:
            opened.close()
            raise

    async def open_connection(
        self, host: str, port: int, *, ssl: tls.SSLContext | None = None, server_hostname: str = ""
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As `asyncio.open_connection`; raises as `connect`."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await self.connect(lambda: protocol, host, port, ssl=ssl, server_hostname=server_hostname)
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _connect_first(addresses: tuple[str, ...], port: int) -> socket:
    """The socket of the address that answers first, the system's favourite having a head start."""
    targets = [(AF_INET6 if ":" in one else AF_INET, SOCK_STREAM, IPPROTO_TCP, "", (one, port)) for one in addresses]
    return await aiohappyeyeballs.start_connection(targets, happy_eyeballs_delay=HAPPY_EYEBALLS_DELAY_S)
