import asyncio

import pytest

from app.live.fair_wakeup import AT_ONCE, Waker
from app.live.subscriber import Reader


class Sleeper(Reader):
    """Counts how often it was woken."""

    def __init__(self) -> None:
        self.n_wakes = 0

    def wake(self) -> None:
        self.n_wakes += 1


@pytest.mark.parametrize("count", [0, 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE])
async def test_everybody_is_woken_a_few_in_each_round(count: int) -> None:
    sleepers, rounds = [Sleeper() for _ in range(count)], 0
    Waker().wake(sleepers)
    while not all(one.n_wakes for one in sleepers):
        rounds += 1
        assert sum(one.n_wakes for one in sleepers) == rounds * AT_ONCE
        await asyncio.sleep(0)
    assert [one.n_wakes for one in sleepers] == [1] * count


async def test_who_is_woken_twice_is_woken_after_the_others() -> None:
    waker, sleepers = Waker(), [Sleeper() for _ in range(AT_ONCE + 1)]
    waker.wake(sleepers)
    waker.wake(sleepers[:1])
    await asyncio.sleep(0)
    assert [sleepers[0].n_wakes, sleepers[-1].n_wakes] == [2, 1]
