"""Rate limits: shared by all processes, paid for with few questions to Redis, and there without it."""

import asyncio
from time import time
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisGone

from app import queue
from app.env_vars import Rate
from app.security.limits.rate_limits import LEASES_PER_BUCKET, RateLimiter, RateLimitState
from app.settings import Settings


class Counting:
    """Redis, with a count of its calls."""

    def __init__(self) -> None:
        self.n_calls = 0

    async def eval(self, *args: Any) -> Any:
        self.n_calls += 1
        return await queue.client().eval(*args)


class Hanging:
    """A Redis that takes the question and never answers."""

    def __init__(self) -> None:
        self.n_calls = 0

    async def eval(self, *_: Any) -> Any:
        self.n_calls += 1
        await asyncio.Event().wait()


class Gone:
    """A Redis that is unreachable until it is back."""

    def __init__(self) -> None:
        self.is_back = False

    async def eval(self, *args: Any) -> Any:
        if self.is_back:
            return await queue.client().eval(*args)
        raise RedisGone


async def taken(rates: RateLimiter, times: int, who: str = "ada") -> list[RateLimitState]:
    found = [await rates.count_request("read", who) for _ in range(times)]
    return [one for one in found if one is not None]


def fitting(states: list[RateLimitState]) -> int:
    return sum(not one.wait_s for one in states)


@pytest.fixture
async def redis(queue: Settings) -> Counting:
    return Counting()


async def test_a_full_bucket_is_spent_to_the_last_token_and_no_further(redis: Counting) -> None:
    rates = RateLimiter({"read": Rate(50, 3_600)}, lambda: redis)
    decisions = await taken(rates, 55)
    assert fitting(decisions) == 50
    assert [one.remaining for one in decisions[:50]] == list(range(49, -1, -1))
    assert 1 <= decisions[-1].wait_s <= 3_600 // 50


async def test_many_at_once_get_no_more_than_one_after_the_other(redis: Counting) -> None:
    rates = RateLimiter({"read": Rate(50, 3_600)}, lambda: redis)
    decisions = await asyncio.gather(*(taken(rates, 1) for _ in range(120)))
    assert sum(map(fitting, decisions)) == 50


async def test_processes_share_a_bucket(redis: Counting) -> None:
    one, other = (RateLimiter({"read": Rate(50, 3_600)}, lambda: redis) for _ in range(2))
    decisions = [state for _ in range(60) for rates in (one, other) for state in await taken(rates, 1)]
    assert fitting(decisions) == 50


async def test_redis_is_called_for_a_block_of_requests_and_not_for_each(redis: Counting) -> None:
    rates = RateLimiter({"read": Rate(10_000, 3_600)}, lambda: redis)
    assert fitting(await taken(rates, 5_000)) == 5_000
    assert redis.n_calls <= 10 + LEASES_PER_BUCKET  # doubling from 1 to 1,000, then a tenth at a time


async def test_a_refused_caller_does_not_call_redis_each_time(redis: Counting) -> None:
    rates = RateLimiter({"read": Rate(2, 3_600)}, lambda: redis)
    await taken(rates, 3)
    n_before = redis.n_calls
    assert fitting(await taken(rates, 100)) == 0
    assert redis.n_calls == n_before


async def test_callers_and_groups_have_buckets_of_their_own(redis: Counting) -> None:
    rates = RateLimiter({"read": Rate(1, 3_600), "write": Rate(1, 3_600)}, lambda: redis)
    await taken(rates, 2)
    assert fitting(await taken(rates, 1, "bob")) == 1
    assert (await rates.count_request("write", "ada")) is not None


async def test_a_group_without_a_limit_counts_nothing(redis: Counting) -> None:
    assert await RateLimiter({"read": None}, lambda: redis).count_request("read", "ada") is None
    assert redis.n_calls == 0


async def test_tokens_come_back_with_time(redis: Counting) -> None:
    rates = RateLimiter({"read": Rate(20, 1)}, lambda: redis)
    await taken(rates, 25)
    async with asyncio.timeout(10):
        while not fitting(await taken(rates, 1)):
            await asyncio.sleep(0.05)


async def test_the_reset_is_when_the_bucket_is_full_again(redis: Counting) -> None:
    rates = RateLimiter({"read": Rate(10, 1_000)}, lambda: redis)
    decisions = await taken(rates, 10)
    assert time() + 900 < decisions[-1].reset_s < time() + 1_001


async def test_without_redis_each_process_counts_by_itself(redis: Counting) -> None:
    gone = Gone()
    rates = RateLimiter({"read": Rate(50, 3_600)}, lambda: gone)
    assert fitting(await taken(rates, 60)) == 50


async def test_a_redis_that_is_back_is_called_again(redis: Counting) -> None:
    gone = Gone()
    rates = RateLimiter({"read": Rate(50, 3_600)}, lambda: gone, backoff_s=0.0)
    await taken(rates, 5)
    gone.is_back = True
    await taken(rates, 40)
    assert await queue.client().exists("wk:rate:read:ada")


async def test_a_redis_that_hangs_is_called_once_and_then_left_alone() -> None:
    hanging = Hanging()
    rates = RateLimiter({"read": Rate(1_000, 3_600)}, lambda: hanging)
    for number in range(20):
        await taken(rates, 20, f"user{number}")
    assert hanging.n_calls == 1


async def test_the_number_of_remembered_callers_is_bounded(redis: Counting) -> None:
    rates = RateLimiter({"read": Rate(5, 3_600)}, lambda: redis, max_callers=10)
    for number in range(50):
        await taken(rates, 1, f"user{number}")
    assert len(rates._leases) <= 10
