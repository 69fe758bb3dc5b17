"""The keys that sign tokens: the newest signs, earlier ones verify for as long as their tokens live.

This is the process's copy of the keys in `app.store.identity.signing_keys`, so that verifying needs no query. Until the
first stored key is valid, and in a process without a store, a key derived from the installation's secret is used.
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256
from time import time

from msgspec import Struct

from app.security.secrets import sealing


class SigningKey(Struct, frozen=True, kw_only=True):
    """A signing key.

    signs_from_s    epoch seconds; it verifies earlier already, so that every process knows it before it signs
    """

    id: str
    secret: bytes
    signs_from_s: float

    def derive(self, purpose: str) -> bytes:
        """The key for one kind of token, so that a token of one kind is never accepted as another."""
        return hmac.digest(self.secret, purpose.encode(), "sha256")


_keys: tuple[SigningKey, ...] = ()


def set_keys(keys: Sequence[SigningKey]) -> None:
    """Replace the process's keys with those of the store."""
    global _keys  # noqa: PLW0603  # one ring per process, as with the database's engine
    _keys = tuple(sorted(keys, key=lambda key: key.signs_from_s))


def current_key(now_s: float | None = None) -> SigningKey:
    """The key that signs now."""
    now_s = time() if now_s is None else now_s
    return next((key for key in reversed(_keys) if key.signs_from_s <= now_s), _derived_key())


def verification_keys(lifetime_s: float, now_s: float | None = None) -> list[SigningKey]:
    """The keys that may have signed a token still valid, given its lifetime; newest first."""
    now_s = time() if now_s is None else now_s
    ring = (_derived_key(), *_keys)
    ends = [*(key.signs_from_s for key in _keys), now_s]  # a key signs until the next one does
    return [key for key, end in zip(reversed(ring), reversed(ends), strict=True) if end + lifetime_s >= now_s]


def _derived_key() -> SigningKey:
    secret = sealing.derive_key("signing")
    return SigningKey(id=sha256(b"id" + secret).hexdigest()[:12], secret=secret, signs_from_s=0)
