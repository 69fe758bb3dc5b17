"""A hub on a real Valkey, listeners on its channels, and a Valkey that can be stopped."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app import queue
from app.live import replay_buffer
from app.live.hub import Hub
from app.settings import Settings
from tests.app.live.listeners import Listener, Stoppable


@pytest.fixture(autouse=True)
def nothing_unsent() -> None:
    """No test inherits another one's holes."""
    replay_buffer._unpublished.clear()


@pytest.fixture
async def hub(queue: Settings) -> AsyncIterator[Hub]:
    """A hub that listens."""
    async for one in _listening():
        yield one


async def _listening() -> AsyncIterator[Hub]:
    one = Hub(queue.client())
    one.start()
    async with asyncio.timeout(10):
        while not one._newest:
            await asyncio.sleep(0.01)
    yield one
    await one.stop()


@pytest.fixture
def make_listener(hub: Hub) -> Iterator[Callable[..., Listener]]:
    """Makes listeners that follow channels."""
    listeners: list[Listener] = []

    def make(*channels: str) -> Listener:
        listeners.append(Listener(hub).follow(*channels))
        return listeners[-1]

    yield make
    for one in listeners:
        one.close()


@pytest.fixture
def stoppable() -> Iterator[Stoppable]:
    """A Valkey that runs, and may be stopped and started."""
    with tempfile.TemporaryDirectory(prefix="wk-", dir="/tmp") as place:
        one = Stoppable(Path(place))
        one.start()
        yield one
        one.stop()


@pytest.fixture
async def fragile_hub(settings: Settings, stoppable: Stoppable) -> AsyncIterator[Hub]:
    """A hub on the Valkey that can be stopped."""
    await queue.start(replace(settings, redis_url=f"unix://{stoppable.listen}"))
    async for one in _listening():
        yield one
    await queue.stop()
