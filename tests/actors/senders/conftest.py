from collections.abc import AsyncIterator

import pytest

from actors.senders.kit.context import Tools, opened
from tests.receiver import Receiver, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


@pytest.fixture
async def tools() -> AsyncIterator[Tools]:
    kit = opened()
    yield kit
    await kit.close()
