"""The notify stage beside a test: takes jobs off its queue, as a worker does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from actors import senders
from actors.notify import Notifier
from app import queue, tasks
from schema.jobs import NotifyBatch


@asynccontextmanager
async def notifying() -> AsyncIterator[None]:
    """Sends whatever is queued, as long as it is open."""
    tools = senders.make_context()
    desk = Notifier(tools, "https://watch.example")
    clerk = asyncio.create_task(_take_jobs(desk))
    try:
        yield
    finally:
        await tasks.cancel(clerk)
        await desk.close(5)
        await tools.close()


async def _take_jobs(desk: Notifier) -> None:
    while True:
        if taken := await queue.client().blpop([f"{queue.NAMESPACE}:notify"], timeout=1):
            body = await queue.client().hget(f"{queue.NAMESPACE}:notify.msgs", taken[1])
            await desk.admit(msgspec.convert(msgspec.json.decode(body)["kwargs"], NotifyBatch))
