"""A background task ends, even one that missed its cancellation."""

import asyncio
import subprocess
import sys
from contextlib import suppress

from app import tasks


async def deaf() -> None:
    """Swallows the first cancellation, as redis-py can."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(60)
    await asyncio.sleep(60)


async def broken() -> None:
    """Fails."""
    raise ValueError


async def short() -> None:
    """Ends."""


async def test_a_task_that_swallowed_its_cancellation_ends_all_the_same() -> None:
    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await tasks.cancel(task)
    assert task.done()


async def test_cancelling_ignores_an_error_of_the_task() -> None:
    task = asyncio.create_task(broken())
    await asyncio.sleep(0)
    await tasks.cancel(task)
    assert task.done()


async def test_a_lasting_task_that_ends_stops_the_process() -> None:
    stopped = asyncio.Event()
    tasks.on_task_failure(stopped.set)
    try:
        for work in (broken(), short()):
            stopped.clear()
            tasks.start_permanent(work, "work")
            async with asyncio.timeout(10):
                await stopped.wait()
    finally:
        tasks.on_task_failure(lambda: None)


async def test_a_lasting_task_that_is_ended_stops_nothing() -> None:
    stopped = asyncio.Event()
    tasks.on_task_failure(stopped.set)
    try:
        task, other = tasks.start_permanent(deaf(), "deaf"), tasks.start_permanent(short(), "short")
        tasks.expect_end(other)
        await asyncio.sleep(0)
        await tasks.cancel(task, other)
        await asyncio.sleep(0)
        assert not stopped.is_set()
    finally:
        tasks.on_task_failure(lambda: None)


def test_a_process_that_does_not_stop_ends_all_the_same() -> None:
    code = "import threading; from app import tasks; tasks.exit_after(0.1); threading.Event().wait(60)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=50, check=False)
    assert (done.returncode, b"process.stop_timed_out" in done.stdout) == (1, True)
