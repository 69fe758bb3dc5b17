"""What the store said a moment ago: believed for a second, so that a warm path does no SQL and no change waits long."""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

TTL_S = 1.0  # how long what was revoked elsewhere may still be believed here
MAX_ENTRIES = 10_000  # answers; beyond it all are forgotten, which costs one query each

CacheKey = TypeVar("CacheKey")
CachedValue = TypeVar("CachedValue")


class TtlCache(Generic[CacheKey, CachedValue]):
    """Asks once a second, whoever wants to know; "there is none" is an answer, too."""

    def __init__(self, load: Callable[[CacheKey], Awaitable[CachedValue]]) -> None:
        self._load = load
        self._entries: dict[CacheKey, tuple[float, CachedValue]] = {}

    async def get(self, key: CacheKey) -> CachedValue:
        """The answer, at most a second old."""
        known = self._entries.get(key)
        if known is not None and monotonic() - known[0] < TTL_S:
            return known[1]
        asked_at = monotonic()
        answer = await self._load(key)
        if len(self._entries) >= MAX_ENTRIES:
            self._entries.clear()
        self._entries[key] = (asked_at, answer)
        return answer

    def clear(self) -> None:
        """Ask again about everything."""
        self._entries.clear()
