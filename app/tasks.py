"""Background tasks and their end."""

import asyncio
from typing import Any

AGAIN_S = 0.2  # redis-py can swallow a cancellation that hits it while it connects: the task is then told again


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel tasks until each has ended; what they raised at their end is nobody's any more."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
