"""The one door out: decides where this process may connect, and connects.

A policy judges addresses, never names: whatever a URL, a redirect or a name server says, what counts is the
address that is about to be connected. `2130706433`, `0x7f.1` and `::ffff:127.0.0.1` are addresses in other clothes.
"""

import asyncio
import ssl as tls
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from socket import AF_INET, AF_INET6, IPPROTO_TCP, SOCK_STREAM, socket
from typing import TypeVar

import aiohappyeyeballs

from app.security.names import Names, literal

METADATA = frozenset(
    ip_address(one)
    for one in (
        "169.254.169.254",  # AWS, Azure, Google, DigitalOcean, Hetzner, OpenStack, Oracle, Vultr
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google
        "169.254.170.2",  # AWS: credentials of ECS tasks
        "169.254.170.23",  # AWS: credentials of EKS pods
        "fd00:ec2::23",  # AWS: the same
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure: the wire server
        "192.0.0.192",  # Oracle, classic
        "169.254.42.42",  # Scaleway
        "fd00:42::42",  # Scaleway
        "169.254.0.23",  # Tencent
        "169.254.10.10",  # Tencent
    )
)
NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")  # RFC 8215: 16 bits, a zero byte, 16 bits
COMPATIBLE = IPv6Network("::/96")  # RFC 4291: deprecated, and still understood by some
BROADCAST = IPv4Address("255.255.255.255")
NEXT_ADDRESS_S = 0.25  # RFC 8305: how long one address may hang before the next one is tried beside it

Address = IPv4Address | IPv6Address
Protocol = TypeVar("Protocol", bound=asyncio.BaseProtocol)


class Refused(Exception):  # noqa: N818 - a policy's answer
    """We do not connect there; the sentence says where and why. No OSError: nobody should try again."""


class Egress:
    """A policy, and the connections it lets through.

    private_allowed    whether addresses that are not public may be reached: yes for checks, which watch what people
                       host themselves. Cloud metadata addresses are refused either way.
    """

    def __init__(self, names: Names, *, private_allowed: bool = True) -> None:
        self._names = names
        self._private_allowed = private_allowed

    def check(self, address: str) -> None:
        """Raise Refused when this IP address may not be reached. For UDP and ICMP, where nothing is connected."""
        if objection := _objection(address, self._private_allowed):
            raise Refused(objection)

    async def addresses(self, host: str) -> tuple[str, ...]:
        """Where a name or an address leads: never empty, each one allowed.

        raises    Refused, NameUnknown, NamesUnavailable
        """
        own = literal(host)
        found = (own,) if own else await self._names.addresses(host)
        for address in found:
            self.check(address)
        return found

    async def socket_to(self, host: str, port: int) -> socket:
        """A connected, non-blocking socket: for libraries that take one. Raises as `addresses`, and OSError."""
        return await _first_to_connect(await self.addresses(host), port)

    async def socket_among(self, addresses: tuple[str, ...], port: int) -> socket:
        """The same to whichever of these IP addresses answers first. Raises Refused, OSError."""
        for address in addresses:
            self.check(address)
        return await _first_to_connect(addresses, port)

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
        name = (server_hostname or host) if ssl else None
        addresses = await self.addresses(host)
        if len(addresses) == 1:  # the loop's own way is half the price of a socket made by us
            return await loop.create_connection(factory, addresses[0], port, ssl=ssl, server_hostname=name)
        opened = await _first_to_connect(addresses, port)
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


async def _first_to_connect(addresses: tuple[str, ...], port: int) -> socket:
    """The socket of the address that answers first, the system's favourite having a head start."""
    targets = [(AF_INET6 if ":" in one else AF_INET, SOCK_STREAM, IPPROTO_TCP, "", (one, port)) for one in addresses]
    return await aiohappyeyeballs.start_connection(targets, happy_eyeballs_delay=NEXT_ADDRESS_S)


@lru_cache(maxsize=16_384)
def _objection(address: str, private_allowed: bool) -> str:  # noqa: FBT001 - part of the cache's key
    """Why this address may not be reached; empty when it may."""
    own = ip_address(address.partition("%")[0])
    inner = _carried_by(own)
    if METADATA & {own, *inner, IPv4Address(int(own) & 0xFFFF_FFFF)}:  # the last: NAT64 with a prefix of its own
        return f"{address} is a cloud metadata address: refused"
    if any(one.is_multicast or one == BROADCAST for one in (own, *inner)):
        return f"{address} is not the address of one host: refused"
    if not private_allowed and not all(one.is_global for one in inner or (own,)):
        return f"{address} is not a public address: refused"
    return ""


def _carried_by(own: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 address stands for or leads through."""
    if isinstance(own, IPv4Address):
        return ()
    number = int(own)
    carried = [own.ipv4_mapped, own.sixtofour, *(own.teredo or ())]
    if own in NAT64 or (own in COMPATIBLE and number > 1):
        carried.append(IPv4Address(number & 0xFFFF_FFFF))
    if own in NAT64_LOCAL:
        carried.append(IPv4Address((number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF))
    return tuple(one for one in carried if one)
