"""Opens outgoing connections, if the egress policy allows the address.

The policy is applied to addresses, never to names: whatever a URL, a redirect or a name server says, the address that
is about to be connected is checked. That covers other notations such as `2130706433`, `0x7f.1` and `::ffff:127.0.0.1`.
"""

import asyncio
import ssl as tls
from collections.abc import Callable
from socket import AF_INET, AF_INET6, IPPROTO_TCP, SOCK_STREAM, socket
from typing import TypeVar

import aiohappyeyeballs

from app.domain.parsing.hosts import usable_host
from app.domain.system.egress_rules import CompiledPolicy, denial_reason
from app.security.network.resolver import Resolver, ip_literal
from app.security.network.tls_limits import apply_limits
from schema.settings import EgressPolicy

HAPPY_EYEBALLS_DELAY_S = 0.25  # RFC 8305: how long one address may hang before the next is tried in parallel
DEFAULT_POLICY = EgressPolicy()
Protocol = TypeVar("Protocol", bound=asyncio.BaseProtocol)


class EgressDenied(Exception):  # noqa: N818  # names the fact
    """The policy does not allow this address; the message says where and why. Not an OSError, so nobody retries."""


class Egress:
    """Opens the connections that a policy allows.

    policy    default: private addresses are allowed, since people monitor what they host themselves
    """

    def __init__(self, resolver: Resolver, policy: EgressPolicy = DEFAULT_POLICY) -> None:
        self._resolver = resolver
        self._policy, self._rules = policy, CompiledPolicy(policy)

    def use_policy(self, policy: EgressPolicy) -> None:
        """Apply this policy from now on."""
        if policy != self._policy:
            self._policy, self._rules = policy, CompiledPolicy(policy)

    def check(self, address: str) -> None:
        """Raise EgressDenied if this IP address is not allowed. Called for UDP and ICMP, which do not connect."""
        if reason := denial_reason(address, self._rules):
            raise EgressDenied(reason)

    def check_socket(self, path: str) -> None:
        """Raise EgressDenied if this Unix socket is not allowed, in the same words whether it exists or not."""
        if path not in self._policy.sockets:
            raise EgressDenied("this Unix socket is not among those that checks may reach: refused")

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of a host name or address; never empty, all of them allowed.

        raises    EgressDenied, NameUnknown, ResolverUnavailable
        """
        literal = ip_literal(host)
        addresses = (literal,) if literal else await self._resolver.addresses(host)
        for address in addresses:
            self.check(address)
        return addresses

    async def socket_to(self, host: str, port: int) -> socket:
        """A connected, non-blocking socket, for libraries that accept one. Raises as `addresses`, and OSError."""
        return await _connect_first(await self.addresses(host), port)

    async def socket_among(self, addresses: tuple[str, ...], port: int) -> socket:
        """A socket to whichever of these IP addresses answers first. Raises EgressDenied, OSError."""
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

        server_hostname    the name the certificate must be for; default: the host
        raises             EgressDenied, NameUnknown, ResolverUnavailable, ssl.SSLError, OSError
        """
        loop = asyncio.get_running_loop()
        name = usable_host(server_hostname or host).rstrip(".") if ssl else None  # certificates have no trailing dot
        if ssl:
            apply_limits(ssl)
        addresses = await self.addresses(host)
        if len(addresses) == 1:  # half the cost of a socket created here
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
    """The socket of the address that answers first; the system's preferred one has a head start."""
    targets = [
        (AF_INET6 if ":" in address else AF_INET, SOCK_STREAM, IPPROTO_TCP, "", (address, port))
        for address in addresses
    ]
    return await aiohappyeyeballs.start_connection(targets, happy_eyeballs_delay=HAPPY_EYEBALLS_DELAY_S)
