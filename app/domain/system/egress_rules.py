"""Decides which addresses an egress policy allows. Pure: it resolves no names and opens no connections.

Some addresses embed others: `::ffff:127.0.0.1`, NAT64, 6to4 and Teredo lead to an IPv4 address, and `0.0.0.0` to this
machine. Both the address and the embedded one are checked.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from schema.settings import EgressPolicy

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
COMPATIBLE = IPv6Network("::/96")  # RFC 4291: deprecated, and still supported by some
BROADCAST = IPv4Address("255.255.255.255")
LOOPBACK = IPv4Address("127.0.0.1")  # where 0.0.0.0 and :: lead

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class CompiledPolicy:
    """A policy with parsed networks. Compared by identity, which makes it a cheap part of a cache key.

    raises    ValueError for an invalid network
    """

    __slots__ = ("allow", "allow_private", "allowed_hosts", "deny")

    def __init__(self, policy: EgressPolicy) -> None:
        self.allow_private = policy.allow_private
        self.allow = tuple(parse_network(one) for one in policy.allow)
        self.deny = tuple(parse_network(one) for one in policy.deny)
        self.allowed_hosts = frozenset(one[0] for one in self.allow if one.prefixlen == one.max_prefixlen)


def parse_network(text: str) -> Network:
    """A network, or an address as a network with one host. Raises ValueError."""
    return ip_network(text, strict=False)


@lru_cache(maxsize=16_384)
def denial_reason(address: str, policy: CompiledPolicy) -> str:
    """Why a connection to this IP address is denied; empty when it is allowed."""
    ip = ip_address(address.partition("%")[0])
    embedded = _embedded_ipv4(ip)
    last_bits = IPv4Address(int(ip) & 0xFFFF_FFFF)  # the IPv4 address behind a private NAT64 prefix
    if (METADATA & {ip, *embedded, last_bits}) - policy.allowed_hosts:
        return f"{address} is a cloud metadata address: refused"
    if any(one.is_multicast or one == BROADCAST for one in (ip, *embedded)):
        return f"{address} is not the address of one host: refused"
    if any(_is_allowed(one, policy) is False for one in (ip, *embedded)):
        return f"{address} is in a network that is denied: refused"
    if not policy.allow_private and not all(one.is_global or _is_allowed(one, policy) for one in embedded or (ip,)):
        return f"{address} is not a public address: refused"
    return ""


@lru_cache(maxsize=16_384)
def is_public(address: str) -> bool:
    """Whether this IP address is public."""
    ip = ip_address(address.partition("%")[0])
    return all(one.is_global for one in (ip, *_embedded_ipv4(ip)))


def _is_allowed(ip: Address, policy: CompiledPolicy) -> bool | None:
    """By the allow and deny lists: the narrowest network that contains the address decides; None when none does."""
    allowed, denied = (
        max((one.prefixlen for one in networks if ip in one), default=-1) for networks in (policy.allow, policy.deny)
    )
    return None if allowed == denied == -1 else allowed > denied


def _embedded_ipv4(ip: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that an address embeds."""
    if ip.is_unspecified:
        return (LOOPBACK,)
    if isinstance(ip, IPv4Address):
        return ()
    number = int(ip)
    embedded = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in NAT64 or (ip in COMPATIBLE and number > 1):
        embedded.append(IPv4Address(number & 0xFFFF_FFFF))
    if ip in NAT64_LOCAL:
        embedded.append(IPv4Address((number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF))
    return tuple(one for one in embedded if one)
