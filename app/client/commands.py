"""How every client command runs: a server to ask, one line when it refuses, silence when a pipe has seen enough."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable

from app.client import NOT_ASKED, SUCCESS
from app.client.screen import complain
from app.client.server import Refused, Server, reached

__all__ = ["Server", "run"]


def run(url: str, token: str, command: Callable[[Server], Awaitable[int]]) -> int:
    """The command's exit code; `NOT_ASKED` when the server did not answer."""
    try:
        return asyncio.run(_run(url, token, command))
    except Refused as refused:
        complain(str(refused))
        return NOT_ASKED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `| head` has seen enough
        return SUCCESS
    except KeyboardInterrupt:
        return SUCCESS


async def _run(url: str, token: str, command: Callable[[Server], Awaitable[int]]) -> int:
    async with reached(url, token) as server:
        return await command(server)
