"""How every client command runs: a server to ask, one line when it refuses, silence when a pipe has seen enough."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from app.client import NOT_ASKED, SUCCESS
from app.client.screen import complain
from app.client.server import Refused, Server, reached

__all__ = ["Server", "ended", "run"]


def run(url: str, token: str, command: Callable[[Server], Awaitable[int]]) -> int:
    """Ask a server; returns the command's exit code, `NOT_ASKED` when the server did not answer."""

    async def asked() -> int:
        async with reached(url, token) as server:
            return await command(server)

    return ended(asked())


def ended(command: Coroutine[Any, Any, int]) -> int:
    """Run a command to its end; returns its exit code, `NOT_ASKED` when something was refused."""
    try:
        return asyncio.run(command)
    except Refused as refused:
        complain(str(refused))
        return NOT_ASKED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `| head` has seen enough
        return SUCCESS
    except KeyboardInterrupt:
        return SUCCESS
