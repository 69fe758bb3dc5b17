"""A connection that is closed from outside ends soon, even when what it waits for misses its cancellation."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from app import tasks
from app.api.live.connection import SERVICE_RESTART, CloseConnection
from app.api.live.subscription import Subscription
from app.errors import Unavailable
from app.live.subscriber import unfiltered_text


class DeafConnection:
    """Receives nothing, and swallows the first cancellation, as redis-py can."""

    async def receive(self) -> None:
        """Wait for a message that never comes."""
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    async def send_text(self, _: str) -> None:
        """Accept a message."""


async def test_a_job_that_swallows_its_cancellation_does_not_keep_a_connection_open(monkeypatch) -> None:
    monkeypatch.setattr(tasks, "RECANCEL_S", 0.01)
    connection: Any = DeafConnection()
    nobody: Any = None
    subscription = Subscription(connection, nobody, nobody, unfiltered_text)
    running = asyncio.create_task(subscription.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    subscription.close(CloseConnection(SERVICE_RESTART, Unavailable("Restarting.")))
    async with asyncio.timeout(10):
        with pytest.raises(CloseConnection, match="Restarting"):
            await running
