"""Work beside a fault run. What it raises fails the run: else the run would go on without it and still hold."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self


class Companion(ABC):
    """Works as long as its block lasts, and keeps what it saw. The block raises what ended the work before it."""

    _task: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name=type(self).__name__)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await end(self._task)

    @abstractmethod
    async def _run(self) -> None:
        """The work; it is cancelled at the end of the block."""


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, Any], name: str) -> AsyncIterator[None]:
    """Work as long as the block lasts, which raises what ended the work before it."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        await end(task)


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end. Raises what had ended it before."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
