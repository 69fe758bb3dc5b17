"""One call of the bench: how thorough it is, and what its figures share."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class Run:
    """Remembers what was measured once, so that several figures may read it.

    quick    shorter and rougher: a smoke test of the bench, and a first look at the figures
    """

    def __init__(self, *, quick: bool) -> None:
        self.quick = quick
        self._known: dict[str, asyncio.Future[Any]] = {}

    async def once(self, name: str, measure: Callable[["Run"], Awaitable[Any]]) -> Any:
        """The measurement called `name`, made now or earlier in this run."""
        if name not in self._known:
            self._known[name] = asyncio.ensure_future(measure(self))
        return await self._known[name]
