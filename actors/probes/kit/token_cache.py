"""OAuth2 tokens in memory, by client, until they expire."""

from collections.abc import Hashable
from time import monotonic

EXPIRY_MARGIN_S = 10.0  # before a token expires: the check that takes it needs some time too
DEFAULT_LIFETIME_S = 300.0  # of a token without a lifetime (RFC 6749, 5.1)
MAX_LIFETIME_S = 86_400.0
MAX_TOKENS = 10_000  # the oldest is dropped


class TokenCache:
    """One token per key, until it expires."""

    def __init__(self) -> None:
        self._tokens: dict[Hashable, tuple[float, str]] = {}

    def get(self, key: Hashable) -> str:
        """The token; empty when there is none or it has expired."""
        expires_at, token = self._tokens.get(key, (0.0, ""))
        return token if monotonic() < expires_at else ""

    def put(self, key: Hashable, token: str, lifetime_s: float | None) -> None:
        """Keep a token for its lifetime."""
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
        """Forget a token that the server no longer accepts."""
        self._tokens.pop(key, None)
