"""Jobs that run side by side: each has a result or an explanation in time, even one that misses its cancellation."""

import asyncio
from contextlib import suppress

from app import tasks
from app.api.monitoring import run_now


async def deaf() -> str:
    """Swallows the first cancellation, as redis-py can."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(60)
    await asyncio.sleep(60)
    return "late"


async def quick() -> str:
    """Has its result at once."""
    return "done"


async def test_a_job_that_swallows_its_cancellation_holds_up_nobody(monkeypatch) -> None:
    monkeypatch.setattr(tasks, "RECANCEL_S", 0.01)
    async with asyncio.timeout(10):
        assert await run_now.run_concurrently([quick, deaf], 2, 0.1) == ["done", run_now.TIMED_OUT]
