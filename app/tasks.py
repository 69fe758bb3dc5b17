"""Background tasks that run as long as their process, and how they are cancelled."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger()

# `asyncio.wait_for` of Python 3.11, and with it redis-py, swallows a cancellation that arrives just as its work ends:
# the task is cancelled again.
RECANCEL_S = 0.2
FAILED_EXIT = 1

Task = asyncio.Task[Any]

_stop_process: Callable[[], None] | None = None
_ending: set[Task] = set()


def on_task_failure(stop: Callable[[], None]) -> None:
    """Set how to stop this process when one of its permanent tasks ends; called on the loop. Once, at the entry.

    Without it (in a test or a command) such an end is only logged.
    """
    global _stop_process  # noqa: PLW0603  # one way to stop per process
    _stop_process = stop


def start_permanent(coroutine: Coroutine[Any, Any, None], name: str) -> Task:
    """Start a task that must run as long as this process.

    If it ends before `cancel` or `expect_end`, that is a bug: it is logged, and the process stops, so that the
    supervisor starts another one.
    """
    task = asyncio.create_task(coroutine, name=name)
    task.add_done_callback(_on_done)
    return task


def _on_done(task: Task) -> None:
    if task in _ending or task.cancelled():
        return
    log.critical("process.task_ended", task=task.get_name(), exc_info=task.exception() or True)
    if _stop_process is not None:
        _stop_process()


def expect_end(*tasks: Task) -> None:
    """Allow tasks to end by themselves from now on."""
    for task in tasks:
        _ending.add(task)
        task.add_done_callback(_ending.discard)


async def cancel(*tasks: Task) -> None:
    """Cancel tasks until each has ended; their exceptions are ignored."""
    expect_end(*tasks)
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=RECANCEL_S)
    await asyncio.gather(*tasks, return_exceptions=True)


def exit_after(within_s: float) -> threading.Timer:
    """Exit this process after `within_s`, whatever blocks it: a thread, a lock, a task that can't be cancelled.

    returns  the timer, to be cancelled after a stop in time
    """
    timer = threading.Timer(within_s, _exit, (within_s,))
    timer.daemon = True
    timer.start()
    return timer


def _exit(within_s: float) -> None:
    log.critical("process.stop_timed_out", limit_s=within_s)
    os._exit(FAILED_EXIT)
