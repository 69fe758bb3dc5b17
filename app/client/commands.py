"""Runs client commands: connects to the server, prints failures in one line, and ends quietly on a closed pipe."""

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
    """Run a command with a client for a server; returns its exit code, or NOT_RUN if the server did not answer."""

    async def run_command() -> int:
        async with connect(url, token) as api:
            return await command(api)

    return run_to_end(run_command())


def run_to_end(command: Coroutine[Any, Any, int]) -> int:
    """Run a command to its end; returns its exit code, or NOT_RUN if it failed."""
    try:
        return asyncio.run(command)
    except CommandFailed as error:
        print_error(str(error))
        return NOT_RUN
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # the reader, such as `head`, has closed the pipe
        return SUCCESS
    except KeyboardInterrupt:
        return SUCCESS
