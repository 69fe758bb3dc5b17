"""How a conversation ends whose verdict stands: the goodbye is said, and changes nothing, whatever comes of it."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from actors.probes.kit.result import TargetFailed

CLOSE_TIMEOUT_S = 0.25  # that the other side has to answer it; nobody waits for more


async def close_gracefully(farewell: Coroutine[Any, Any, object], *errors: type[Exception]) -> None:
    """Say it, and give the other side a moment to say it too.

    errors    what a library raises when the other side does not, besides broken connections and Failed
    """
    with suppress(TargetFailed, OSError, EOFError, TimeoutError, *errors):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await farewell
