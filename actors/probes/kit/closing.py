"""Closes a connection politely once the result is known; whatever happens then changes nothing."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from actors.probes.kit.result import TargetFailed

CLOSE_TIMEOUT_S = 0.25  # for the other side's reply


async def close_gracefully(farewell: Coroutine[Any, Any, object], *errors: type[Exception]) -> None:
    """Send the farewell and give the other side a moment to reply.

    errors    what a library raises when there is no reply, besides broken connections and TargetFailed
    """
    with suppress(TargetFailed, OSError, EOFError, TimeoutError, *errors):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await farewell
