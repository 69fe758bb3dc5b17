"""Conditions that tests of real processes wait for."""

import asyncio
from collections.abc import Awaitable, Callable

from app import db
from schema.status import Status


async def until(condition: Callable[[], Awaitable[object]], within_s: float = 60) -> None:
    """Return when it holds. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.05)


async def beats(status: Status | None = None) -> int:
    """How many heartbeats are stored, of one status or of all."""
    wanted = "" if status is None else f" WHERE status = {int(status)}"
    return int((await db.rows(f"SELECT count(*) AS n FROM heartbeats{wanted}"))[0]["n"])
