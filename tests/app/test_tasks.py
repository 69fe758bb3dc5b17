"""A background task ends, even one that missed its cancellation."""

import asyncio
from contextlib import suppress

from app import tasks


async def deaf() -> None:
    """Swallows the first cancellation, as redis-py can."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(60)
    await asyncio.sleep(60)


async def test_a_task_that_swallowed_its_cancellation_ends_all_the_same() -> None:
    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await tasks.end(task)
    assert task.done()


async def test_what_a_task_raised_at_its_end_is_nobodys_any_more() -> None:
    async def broken() -> None:
        raise ValueError

    task = asyncio.create_task(broken())
    await asyncio.sleep(0)
    await tasks.end(task)
    assert task.done()
