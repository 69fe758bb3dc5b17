"""Decides which addresses a policy lets through. Pure: no name is resolved here, and nothing is connected.

Addresses come in other clothes: `::ffff:127.0.0.1`, NAT64, 6to4 and Teredo all lead to an IPv4 address, and
`0.0.0.0` to this machine. What they lead to is judged beside what they are.
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
COMPATIBLE = IPv6Network("::/96")  # RFC 4291: deprecated, and still understood by some
BROADCAST = IPv4Address("255.255.255.255")
LOOPBACK = IPv4Address("127.0.0.1")  # where 0.0.0.0 and :: lead

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class CompiledPolicy:
    """A policy, made ready. Equal to itself only: that is what makes it cheap as part of a cache's key.

    raises    ValueError for a network that is none
    """

    __slots__ = ("allow", "deny", "named", "private")

    def __init__(self, policy: EgressPolicy) -> None:
        self.private = policy.private
        self.allow = tuple(parse_network(one) for one in policy.allow)
        self.deny = tuple(parse_network(one) for one in policy.deny)
        self.named = frozenset(one[0] for one in self.allow if one.prefixlen == one.max_prefixlen)


def parse_network(text: str) -> Network:
    """A network, or an address as a network of one. Raises ValueError."""
    return ip_network(text, strict=False)


@lru_cache(maxsize=16_384)
def denial_reason(address: str, rules: CompiledPolicy) -> str:
    """Why this IP address may not be reached; empty when it may."""
    own = ip_address(address.partition("%")[0])
    inner = _embedded_ipv4(own)
    if (METADATA & {own, *inner, IPv4Address(int(own) & 0xFFFF_FFFF)}) - rules.named:  # the last: a NAT64 of one's own
        return f"{address} is a cloud metadata address: refused"
    if any(one.is_multicast or one == BROADCAST for one in (own, *inner)):
        return f"{address} is not the address of one host: refused"
    if any(_is_allowed(one, rules) is False for one in (own, *inner)):
        return f"{address} is in a network that is denied: refused"
    if not rules.private and not all(one.is_global or _is_allowed(one, rules) for one in inner or (own,)):
        return f"{address} is not a public address: refused"
    return ""


@lru_cache(maxsize=16_384)
def is_public(address: str) -> bool:
    """Whether this IP address lies in the world, not in a network of somebody's own."""
    own = ip_address(address.partition("%")[0])
    return all(one.is_global for one in (own, *_embedded_ipv4(own)))


def _is_allowed(address: Address, rules: CompiledPolicy) -> bool | None:
    """What the lists say: the narrowest network that holds the address decides; None when none does."""
    allowed, denied = (
        max((one.prefixlen for one in networks if address in one), default=-1) for networks in (rules.allow, rules.deny)
    )
    return None if allowed == denied == -1 else allowed > denied


def _embedded_ipv4(own: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that an address stands for or leads through."""
    if own.is_unspecified:
        return (LOOPBACK,)
    if isinstance(own, IPv4Address):
        return ()
    number = int(own)
    carried = [own.ipv4_mapped, own.sixtofour, *(own.teredo or ())]
    if own in NAT64 or (own in COMPATIBLE and number > 1):
        carried.append(IPv4Address(number & 0xFFFF_FFFF))
    if own in NAT64_LOCAL:
        carried.append(IPv4Address((number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF))
    return tuple(one for one in carried if one)
