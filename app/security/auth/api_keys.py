"""API keys: how they are made, what is stored of them, whom one lets in and from where, and when it was last used."""

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
VISIBLE_CHARS = len(PREFIX) + 8  # characters that stay readable, so that people recognise a key: 48 of its 256 bits
INVALID_KEY = "The API key is not valid."

Network = IPv4Network | IPv6Network


class Grant(Struct, frozen=True, kw_only=True):
    """What a key lets its holder be, as far as the key itself, its owner and its networks allow.

    expires_ms    None: it does not
    networks      where it may be used from; empty: anywhere
    active        the key is switched on
    owned         its owner is active
    """

    principal: Principal
    expires_ms: int | None
    networks: tuple[Network, ...]
    active: bool
    owner_active: bool

    def denial_reason(self) -> str:
        """Why the key is not good any more; empty when it is."""
        if not self.active:
            return "The API key is switched off."
        if not self.owner_active:
            return "The API key's owner is not active any more."
        if self.expires_ms is not None and self.expires_ms <= time() * 1000:
            return "The API key has expired."
        return ""

    def allows_address(self, address: str) -> bool:
        """Whether the key may be used from this IP address; an unknown one is in no network."""
        return not self.networks or _is_within(address, self.networks)


def generate_key() -> str:
    """A new key: 256 bits of chance."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def key_digest(key: str, pepper: bytes) -> str:
    """What is stored of a key: a keyed hash. A fast one is enough, since nobody guesses 256 bits."""
    return hmac.new(pepper, key.encode(), sha256).hexdigest()


@lru_cache(maxsize=4_096)
def _is_within(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    plain = getattr(found, "ipv4_mapped", None) or found
    return any(plain in network for network in networks)


class KeyUsage(Struct, frozen=True, array_like=True):
    """The last time a key was used, and from where."""

    at_ms: int
    ip: str


_usage: dict[str, KeyUsage] = {}


def record_usage(key_id: str, ip: str) -> None:
    """Remember that a key was used; whoever keeps it takes it with `take_uses`."""
    _usage[key_id] = KeyUsage(clock.now_ms(), ip)


def take_usage() -> dict[str, KeyUsage]:
    """The last use of each key since somebody asked."""
    taken = dict(_usage)
    _usage.clear()
    return taken


def restore_usage(usage: Mapping[str, KeyUsage]) -> None:
    """They could not be kept: they wait for the next time, unless there is something newer."""
    _usage.update({key_id: use for key_id, use in usage.items() if key_id not in _usage})
