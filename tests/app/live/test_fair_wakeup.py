import asyncio

import pytest

from app.live.fair_wakeup import BATCH_SIZE, FairWakeup
from app.live.subscriber import LiveSubscriber


class Sleeper(LiveSubscriber):
    """Counts how often it was woken."""

    def __init__(self) -> None:
        self.n_wakes = 0

    def wake(self) -> None:
        self.n_wakes += 1


@pytest.mark.parametrize("count", [0, 1, BATCH_SIZE, BATCH_SIZE + 1, 3 * BATCH_SIZE])
async def test_all_waiters_are_woken_a_few_in_each_round(count: int) -> None:
    sleepers, rounds = [Sleeper() for _ in range(count)], 0
    FairWakeup().wake(sleepers)
    while not all(one.n_wakes for one in sleepers):
        rounds += 1
        assert sum(one.n_wakes for one in sleepers) == rounds * BATCH_SIZE
        await asyncio.sleep(0)
    assert [one.n_wakes for one in sleepers] == [1] * count


async def test_a_waiter_woken_twice_is_woken_after_the_others() -> None:
    waker, sleepers = FairWakeup(), [Sleeper() for _ in range(BATCH_SIZE + 1)]
    waker.wake(sleepers)
    waker.wake(sleepers[:1])
    await asyncio.sleep(0)
    assert [sleepers[0].n_wakes, sleepers[-1].n_wakes] == [2, 1]
