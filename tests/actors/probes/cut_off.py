"""What a check or a message leaves open when it is cut off, as by its deadline, at each place where it waits."""

import asyncio
import gc
import types
import warnings
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from itertools import count
from typing import Any

MAX_WAITS = 60
SETTLING_TURNS = 3  # of the loop: what is aborted closes in the next ones


async def leaks_when_cut_off(work: Callable[[], Awaitable[Any]]) -> list[str]:
    """What `work` leaves open, cut off when it waits for the first time, the second, …, until it ends by itself."""
    leaks = []
    for number in range(1, MAX_WAITS):
        found, ended = await _cut_off(work, number)
        leaks += [f"cut off at wait {number}: {one}" for one in found]
        if ended:
            break
    return leaks


async def _cut_off(work: Callable[[], Awaitable[Any]], number: int) -> tuple[list[str], bool]:
    """What is left open, and whether it ended before."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        task = asyncio.create_task(_until_wait(work, number))
        await asyncio.wait([task])
        ended = not task.cancelled()
        if ended:
            task.result()
        del task
        for _ in range(SETTLING_TURNS):
            await asyncio.sleep(0)
        gc.collect()
    return [str(one.message) for one in caught if one.category is ResourceWarning], ended


@types.coroutine
def _until_wait(work: Callable[[], Awaitable[Any]], number: int) -> Generator[Any, Any, None]:
    """Run it as the current task, which is cancelled when it waits for the `number`-th time."""
    task, running = asyncio.current_task(), work().__await__()
    assert task is not None
    step: Callable[[], Any] = partial(next, running)
    for waits in count(1):
        try:
            awaited = step()
        except StopIteration:
            return
        if waits == number:
            asyncio.get_running_loop().call_soon(task.cancel)
        try:
            yield awaited
        except BaseException as error:  # noqa: BLE001  # it is passed on, whatever it is
            step = partial(running.throw, error)
        else:
            step = partial(next, running)
