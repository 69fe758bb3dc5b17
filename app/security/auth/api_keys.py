"""API keys: generation, the stored hash, what a key grants, and its last usage."""

import hmac
import secrets
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_address
from time import time

from msgspec import Struct

from app import clock
from schema.users import Principal

PREFIX = "pk_"
SECRET_BYTES = 32
VISIBLE_CHARS = len(PREFIX) + 8  # characters shown so that people recognise a key: 48 of its 256 bits
INVALID_KEY = "The API key is not valid."

Network = IPv4Network | IPv6Network


class Grant(Struct, frozen=True, kw_only=True):
    """The principal behind a key, and the conditions under which the key is valid.

    expires_ms      None: never
    networks        networks it may be used from; empty: anywhere
    active          the key is switched on
    owner_active    its owner may sign in
    """

    principal: Principal
    expires_ms: int | None
    networks: tuple[Network, ...]
    active: bool
    owner_active: bool

    def denial_reason(self) -> str:
        """Why the key is no longer valid; empty if it is."""
        if not self.active:
            return "The API key is disabled."
        if not self.owner_active:
            return "The user of this API key is disabled."
        if self.expires_ms is not None and self.expires_ms <= time() * 1000:
            return "The API key has expired."
        return ""

    def allows_address(self, address: str) -> bool:
        """Whether the key may be used from this IP address; an unknown address is in no network."""
        return not self.networks or _is_within(address, self.networks)


def generate_key() -> str:
    """A new key with 256 random bits."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def key_digest(key: str, pepper: bytes) -> str:
    """The stored keyed hash of a key. A fast hash is enough: 256 bits can't be guessed."""
    return hmac.new(pepper, key.encode(), sha256).hexdigest()


@lru_cache(maxsize=4_096)
def _is_within(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    bare = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(bare in network for network in networks)


class KeyUsage(Struct, frozen=True, array_like=True):
    """When a key was last used, and from which address."""

    at_ms: int
    ip: str


_usage: dict[str, KeyUsage] = {}


def record_usage(key_id: str, ip: str) -> None:
    """Note that a key was used; `take_usage` collects the notes for the store."""
    _usage[key_id] = KeyUsage(clock.now_ms(), ip)


def take_usage() -> dict[str, KeyUsage]:
    """The last use of each key since the previous call."""
    taken = dict(_usage)
    _usage.clear()
    return taken


def restore_usage(usage: Mapping[str, KeyUsage]) -> None:
    """Put usage back that could not be stored, unless there is a newer one."""
    _usage.update({key_id: use for key_id, use in usage.items() if key_id not in _usage})
