"""Tokens that were given to us for a while. Kept in memory, by whom they were given for."""

from collections.abc import Hashable
from time import monotonic

EXPIRY_MARGIN_S = 10.0  # before a token ends: the check that takes it needs some time too
DEFAULT_LIFETIME_S = 300.0  # of a token that does not say how long it lives (RFC 6749, 5.1)
MAX_LIFETIME_S = 86_400.0
MAX_TOKENS = 10_000  # tokens; the oldest goes


class TokenCache:
    """One token per key, until it expires."""

    def __init__(self) -> None:
        self._tokens: dict[Hashable, tuple[float, str]] = {}

    def get(self, key: Hashable) -> str:
        """The token; empty when there is none that still lives."""
        expires_at, token = self._tokens.get(key, (0.0, ""))
        return token if monotonic() < expires_at else ""

    def put(self, key: Hashable, token: str, lifetime_s: float | None) -> None:
        """Keep a token for as long as it lives."""
        self._tokens.pop(key, None)  # so that the newest is last
        self._tokens[key] = (
            monotonic()
            + min(DEFAULT_LIFETIME_S if lifetime_s is None else lifetime_s, MAX_LIFETIME_S)
            - EXPIRY_MARGIN_S,
            token,
        )
        if len(self._tokens) > MAX_TOKENS:
            del self._tokens[next(iter(self._tokens))]

    def drop(self, key: Hashable) -> None:
        """Forget a token that is no longer taken."""
        self._tokens.pop(key, None)
