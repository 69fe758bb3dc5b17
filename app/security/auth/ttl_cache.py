"""A cache that keeps each value for one second, so that hot paths need no SQL and changes show soon."""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

TTL_S = 1.0  # how long something revoked in another process may still be valid here
MAX_ENTRIES = 10_000  # beyond it the cache is cleared, which costs one query per key

CacheKey = TypeVar("CacheKey")
CachedValue = TypeVar("CachedValue")


class TtlCache(Generic[CacheKey, CachedValue]):
    """Loads each key at most once a second. None is cached as well."""

    def __init__(self, load: Callable[[CacheKey], Awaitable[CachedValue]]) -> None:
        self._load = load
        self._entries: dict[CacheKey, tuple[float, CachedValue]] = {}

    async def get(self, key: CacheKey) -> CachedValue:
        """The value, at most a second old."""
        entry = self._entries.get(key)
        if entry is not None and monotonic() - entry[0] < TTL_S:
            return entry[1]
        loaded_at = monotonic()
        value = await self._load(key)
        if len(self._entries) >= MAX_ENTRIES:
            self._entries.clear()
        self._entries[key] = (loaded_at, value)
        return value

    def clear(self) -> None:
        """Drop all entries."""
        self._entries.clear()
