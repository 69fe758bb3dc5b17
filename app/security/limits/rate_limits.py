"""Rate limiter: a token bucket per caller and group of routes, in Redis, shared by all processes.

A process does not query Redis for every request: it leases tokens and spends them locally. A lease starts with one
token and doubles each time the last one was spent in time, up to a tenth of the bucket; unspent tokens expire after a
tenth of the bucket's period. With n processes a caller may therefore exceed the limit by n tenths at most, briefly.
While Redis is unavailable each process uses buckets of its own.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic, time
from typing import Any, NamedTuple

import structlog
from redis.exceptions import RedisError

from app.env_vars import Rate

LEASES_PER_BUCKET = 10  # bounds how far a limit may be exceeded, and how often Redis is queried
REDIS_TIMEOUT_S = 0.25  # a hanging Redis must not slow every request
REDIS_BACKOFF_S = 5.0  # after a failure of Redis, before the next query
MAX_CALLERS = 20_000  # leases in a process, some 10 MB; beyond it expired ones are dropped

_LEASE = (Path(__file__).parent / "lease.lua").read_text()

log = structlog.get_logger()


class RateLimitState(NamedTuple):
    """A caller's state. The bucket is full at the epoch second `reset_s`; `wait_s` is 0 if the request is allowed."""

    limit: int
    remaining: int
    reset_s: int
    wait_s: int = 0


class LeaseGrant(NamedTuple):
    """Granted tokens, tokens left in the bucket, and seconds until it is full and until it has one more."""

    tokens: int
    left: int
    full_in_s: float
    next_in_s: float


class TokenBucket:
    """A bucket of this process, used while Redis is unavailable."""

    __slots__ = ("_at_s", "_rate", "_tokens")

    def __init__(self, rate: Rate, now_s: float) -> None:
        self._rate, self._tokens, self._at_s = rate, float(rate.times), now_s

    def grant(self, wanted: int, now_s: float) -> LeaseGrant:
        """Grant up to `wanted` tokens, by the same rule as `lease.lua`."""
        rate, one_s = self._rate, self._rate.per_s / self._rate.times
        self._tokens = min(float(rate.times), self._tokens + (now_s - self._at_s) / one_s)
        self._at_s = now_s
        tokens = min(wanted, int(self._tokens))
        self._tokens -= tokens
        left = int(self._tokens)
        return LeaseGrant(tokens, left, (rate.times - self._tokens) * one_s, (left + 1 - self._tokens) * one_s)


class TokenLease:
    """The tokens this process may spend for one caller in one group."""

    __slots__ = ("_empty_until_s", "_left", "_rate", "_reset_at", "_shared", "_size", "bucket", "ends_s", "lock")

    def __init__(self, rate: Rate, now_s: float) -> None:
        self._rate, self._size, self._left, self._shared = rate, 0, 0, rate.times
        self._empty_until_s, self._reset_at = 0.0, 0.0
        self.bucket, self.ends_s, self.lock = TokenBucket(rate, now_s), 0.0, asyncio.Lock()

    def is_decided(self, now_s: float) -> bool:
        """Whether the next request can be decided without a new grant."""
        return (self._left > 0 and now_s < self.ends_s) or now_s < self._empty_until_s

    def tokens_wanted(self, now_s: float) -> int:
        """How many tokens to request: twice the last lease if it was spent in time."""
        limit = max(1, self._rate.times // LEASES_PER_BUCKET)
        return min(limit, self._size * 2) if self._size and now_s < self.ends_s else 1

    def accept(self, grant: LeaseGrant, now_s: float) -> None:
        """Spend from this grant from now on."""
        self._left = self._size = grant.tokens
        self._shared, self._reset_at = grant.left, time() + grant.full_in_s
        self.ends_s = now_s + self._rate.per_s / LEASES_PER_BUCKET
        self._empty_until_s = 0.0 if grant.tokens else now_s + grant.next_in_s

    def spend(self, now_s: float) -> RateLimitState:
        """Take one token, or return how long to wait for one."""
        limit, reset_s = self._rate.times, math.ceil(max(self._reset_at, time()))
        if self._left <= 0:
            return RateLimitState(limit, 0, reset_s, max(1, math.ceil(self._empty_until_s - now_s)))
        self._left -= 1
        return RateLimitState(limit, self._shared + self._left, reset_s)


class RateLimiter:
    """The rate limits of this process. Created with the application, used on its loop."""

    def __init__(
        self,
        limits: Mapping[str, Rate | None],
        client: Callable[[], Any],
        *,
        backoff_s: float = REDIS_BACKOFF_S,
        max_callers: int = MAX_CALLERS,
    ) -> None:
        self._limits, self._client, self._backoff_s, self._max_callers = limits, client, backoff_s, max_callers
        self._leases: dict[tuple[str, str], TokenLease] = {}
        self._redis_retry_at_s = 0.0

    async def count_request(self, group: str, caller: str) -> RateLimitState | None:
        """Count one request of a caller. Returns None if the group has no limit. Never raises errors of Redis."""
        rate = self._limits.get(group)
        if rate is None:
            return None
        lease = self._leases.get((group, caller)) or self._new_lease(group, caller, rate)
        if lease.is_decided(monotonic()):
            return lease.spend(monotonic())
        async with lease.lock:
            if not lease.is_decided(monotonic()):
                await self._renew(lease, f"wk:rate:{group}:{caller}", rate)
            return lease.spend(monotonic())

    def _new_lease(self, group: str, caller: str, rate: Rate) -> TokenLease:
        now_s = monotonic()
        if len(self._leases) >= self._max_callers:
            self._leases = {key: held for key, held in self._leases.items() if held.ends_s > now_s}
        if len(self._leases) >= self._max_callers:
            self._leases.clear()
        lease = self._leases[group, caller] = TokenLease(rate, now_s)
        return lease

    async def _renew(self, lease: TokenLease, key: str, rate: Rate) -> None:
        wanted = lease.tokens_wanted(monotonic())
        grant = await self._request_from_redis(key, rate, wanted) or lease.bucket.grant(wanted, monotonic())
        lease.accept(grant, monotonic())

    async def _request_from_redis(self, key: str, rate: Rate, wanted: int) -> LeaseGrant | None:
        """The grant from Redis; None while Redis is unavailable."""
        if monotonic() < self._redis_retry_at_s:
            return None
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_S):
                reply = await self._client().eval(_LEASE, 1, key, rate.times, rate.per_s * 1_000, wanted)
        except (RedisError, OSError) as error:  # a timeout is an OSError, too
            self._redis_retry_at_s = monotonic() + self._backoff_s
            log.warning("rate_limit.redis_unavailable", error=type(error).__name__)
            return None
        return LeaseGrant(int(reply[0]), int(reply[1]), reply[2] / 1_000, reply[3] / 1_000)
