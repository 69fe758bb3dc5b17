"""How every client command runs: a server to ask, one line when it refuses, silence when a pipe has seen enough."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from app.client import NOT_RUN, SUCCESS
from app.client.screen import print_error
from app.client.server import ApiClient, CommandFailed, connect

__all__ = ["ApiClient", "run", "run_to_end"]


def run(url: str, token: str, command: Callable[[ApiClient], Awaitable[int]]) -> int:
    """Ask a server; returns the command's exit code, `NOT_ASKED` when the server did not answer."""

    async def asked() -> int:
        async with connect(url, token) as server:
            return await command(server)

    return run_to_end(asked())


def run_to_end(command: Coroutine[Any, Any, int]) -> int:
    """Run a command to its end; returns its exit code, `NOT_ASKED` when something was refused."""
    try:
        return asyncio.run(command)
    except CommandFailed as refused:
        print_error(str(refused))
        return NOT_RUN
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `| head` has seen enough
        return SUCCESS
    except KeyboardInterrupt:
        return SUCCESS
