"""Runs work in a thread that would block the event loop: a worker makes thousands of checks on one loop.

The work must end by itself, for a thread can't be stopped: a check that times out leaves its work running, and work
that has not begun is dropped. Few threads, so that the loop keeps a core.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

WORKING_IN_THREAD = "while working on an answer"  # note on a CancelledError: our own work took the time
THREADS = max(1, min(4, (os.cpu_count() or 1) - 1))

P = ParamSpec("P")
T = TypeVar("T")

_pool = ThreadPoolExecutor(THREADS, "off-loop")


async def run_in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the work returns or raises; a CancelledError carries the note WORKING_IN_THREAD."""
    try:
        return await asyncio.wrap_future(_pool.submit(work, *args, **kwargs))
    except asyncio.CancelledError as cancelled:
        cancelled.add_note(WORKING_IN_THREAD)
        raise
