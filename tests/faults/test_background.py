"""Work beside a fault run: a run whose work has failed does not hold."""

import asyncio

import pytest

from bench.faults.background import Companion, beside, end


class Counting(Companion):
    """Counts, and fails at `fails_at`."""

    def __init__(self, fails_at: int) -> None:
        self.count, self._fails_at = 0, fails_at

    async def _run(self) -> None:
        while True:
            self.count += 1
            if self.count == self._fails_at:
                raise OSError("the work failed")
            await asyncio.sleep(0)


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_a_companion_works_until_its_block_ends():
    async with Counting(fails_at=0) as counting:
        await turns(5)
    seen = counting.count
    await turns(5)
    assert seen == counting.count > 3


async def test_a_block_raises_what_ended_its_companion():
    with pytest.raises(OSError, match="the work failed"):
        async with Counting(fails_at=2):
            await turns(5)


async def test_a_block_raises_what_ended_the_work_beside_it():
    async def fail() -> None:
        raise OSError("the work failed")

    with pytest.raises(OSError, match="the work failed"):
        async with beside(fail(), "failing"):
            await turns(2)


async def test_work_that_ended_by_itself_or_never_began_raises_nothing():
    async with beside(turns(1), "short"):
        await turns(5)
    task = asyncio.create_task(turns(1_000))
    await end(task)
    assert task.cancelled()


async def test_the_error_of_a_block_is_not_hidden_by_the_end_of_its_work():
    with pytest.raises(ValueError, match="the block failed"):
        async with beside(turns(1_000), "long"):
            raise ValueError("the block failed")
