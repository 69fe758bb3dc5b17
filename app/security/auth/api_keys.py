"""API keys: how they are made, what is stored of them, whom one lets in and from where, and when it was last used."""

import hmac
import secrets
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_address
from time import time

from msgspec import Struct

from schema.users import Principal

PREFIX = "pk_"
SECRET_BYTES = 32
SHOWN = len(PREFIX) + 8  # characters that stay readable, so that people recognise a key: 48 of its 256 bits
UNKNOWN = "The API key is not valid."

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
    owned: bool

    def objection(self) -> str:
        """Why the key is not good any more; empty when it is."""
        if not self.active:
            return "The API key is switched off."
        if not self.owned:
            return "The API key's owner is not active any more."
        if self.expires_ms is not None and self.expires_ms <= time() * 1000:
            return "The API key has expired."
        return ""

    def is_for(self, address: str) -> bool:
        """Whether the key may be used from this IP address; an unknown one is in no network."""
        return not self.networks or _is_within(address, self.networks)


def made() -> str:
    """A new key: 256 bits of chance."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def digest_of(key: str, pepper: bytes) -> str:
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


class Use(Struct, frozen=True, array_like=True):
    """The last time a key was used, and from where."""

    at_ms: int
    ip: str


_uses: dict[str, Use] = {}


def note_use(key_id: str, ip: str) -> None:
    """Remember that a key was used; whoever keeps it takes it with `take_uses`."""
    _uses[key_id] = Use(int(time() * 1000), ip)


def take_uses() -> dict[str, Use]:
    """The last use of each key since somebody asked."""
    taken = dict(_uses)
    _uses.clear()
    return taken


def put_back(uses: Mapping[str, Use]) -> None:
    """They could not be kept: they wait for the next time, unless there is something newer."""
    _uses.update({key_id: use for key_id, use in uses.items() if key_id not in _uses})
