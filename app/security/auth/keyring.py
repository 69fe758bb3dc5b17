"""The keys that tokens are signed with: the newest signs, those before it verify for as long as their tokens live.

This process's copy of what `app.store.identity.signing_keys` holds, so that verifying needs no query. Before the first
key of the store, and in a process without one, a key derived from the installation's secret stands in.
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256
from time import time

from msgspec import Struct

from app.security.secrets import sealing


class SigningKey(Struct, frozen=True, kw_only=True):
    """One key.

    signs_from_s    seconds since the epoch; it verifies before, so that no process meets a token it can't read
    """

    id: str
    secret: bytes
    signs_from_s: float

    def derive(self, purpose: str) -> bytes:
        """The key for one kind of token: what is of one kind is never taken for another."""
        return hmac.digest(self.secret, purpose.encode(), "sha256")


_keys: tuple[SigningKey, ...] = ()


def set_keys(keys: Sequence[SigningKey]) -> None:
    """Take what the store has, in place of what was here."""
    global _keys  # noqa: PLW0603  # one ring per process, as with the database's engine
    _keys = tuple(sorted(keys, key=lambda one: one.signs_from_s))


def current_key(now_s: float | None = None) -> SigningKey:
    """The key that signs now."""
    now_s = time() if now_s is None else now_s
    return next((one for one in reversed(_keys) if one.signs_from_s <= now_s), _derived_key())


def verification_keys(lifetime_s: float, now_s: float | None = None) -> list[SigningKey]:
    """The keys that may have signed a token which lives `lifetime_s`, newest first."""
    now_s = time() if now_s is None else now_s
    ring = (_derived_key(), *_keys)
    ends = [*(one.signs_from_s for one in _keys), now_s]  # a key signs until the next one does
    return [one for one, end in zip(reversed(ring), reversed(ends), strict=True) if end + lifetime_s >= now_s]


def _derived_key() -> SigningKey:
    secret = sealing.derive_key("signing")
    return SigningKey(id=sha256(b"id" + secret).hexdigest()[:12], secret=secret, signs_from_s=0)
