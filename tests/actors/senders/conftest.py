from collections.abc import AsyncIterator

import pytest

from actors.senders.kit.context import SenderContext, make_context
from tests.receiver import Receiver, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


@pytest.fixture
async def context() -> AsyncIterator[SenderContext]:
    kit = make_context()
    yield kit
    await kit.close()
