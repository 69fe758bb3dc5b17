"""Background tasks: those that last as long as their process, and how they end."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger()

RECANCEL_S = 0.2  # redis-py can swallow a cancellation that hits it while it connects: the task is cancelled again
FAILED_EXIT = 1

Task = asyncio.Task[Any]

_stop_process: Callable[[], None] | None = None
_ending: set[Task] = set()


def on_task_failure(stop: Callable[[], None]) -> None:
    """What ends this process when one of its lasting tasks has ended; called on the loop. Once, at the entry.

    Without it (in a test, in a command) such an end is logged, and that is all.
    """
    global _stop_process  # noqa: PLW0603  # one way to stop per process
    _stop_process = stop


def start_permanent(work: Coroutine[Any, Any, None], name: str) -> Task:
    """Run what must run as long as this process does.

    When it ends before `end` was called for it, nobody does its work any more: that is a bug, which is logged, and the
    process ends so that its parent starts another one.
    """
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_on_done)
    return task


def _on_done(task: Task) -> None:
    if task in _ending or task.cancelled():
        return
    log.critical("process.task_ended", task=task.get_name(), exc_info=task.exception() or True)
    if _stop_process is not None:
        _stop_process()


def expect_end(*tasks: Task) -> None:
    """From now on these may end by themselves."""
    for task in tasks:
        _ending.add(task)
        task.add_done_callback(_ending.discard)


async def cancel(*tasks: Task) -> None:
    """Cancel tasks until each has ended; what they raised at their end is nobody's any more."""
    expect_end(*tasks)
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=RECANCEL_S)
    await asyncio.gather(*tasks, return_exceptions=True)


def exit_after(within_s: float) -> threading.Timer:
    """End this process in `within_s`, whatever keeps it: a thread, a lock, a task that can't be cancelled.

    returns  the timer, to be cancelled by who has stopped in time
    """
    timer = threading.Timer(within_s, _exit, (within_s,))
    timer.daemon = True
    timer.start()
    return timer


def _exit(within_s: float) -> None:
    log.critical("process.stop_timed_out", limit_s=within_s)
    os._exit(FAILED_EXIT)
