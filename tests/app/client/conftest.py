"""A real server on loopback, and the commands as users run them."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from granian.constants import Interfaces
from granian.server.embed import Server
from msgspec import Struct

from app import response_cache
from app.processes import child
from tests.app.api.conftest import application, database
from tests.app.api.running_app import ADMIN_TOKEN
from tests.pipeline.conftest import spawn

__all__ = ["application", "database", "spawn"]

FROM_THE_MACHINE = {"PATH", "HOME"}


class Done(Struct, frozen=True):
    """How a command ended."""

    code: int | None
    out: str
    err: str


Run = Callable[..., Awaitable[Done]]


@pytest.fixture
async def url(application, free_port) -> AsyncIterator[str]:
    """Where the application is served."""
    response_cache.retry_now()
    server = Server(application, "127.0.0.1", free_port, interface=Interfaces.ASGI, log_enabled=False)
    serving = asyncio.create_task(server.serve())
    await _until_it_serves(f"http://127.0.0.1:{free_port}")
    yield f"http://127.0.0.1:{free_port}"
    server.stop()
    await serving


async def _until_it_serves(address: str) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        while True:
            try:
                async with session.get(f"{address}/api/v1/health"):
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.02)


@pytest.fixture
def environment(url, tmp_path) -> dict[str, str]:
    """What a person's shell knows of the server."""
    ours = {name: value for name, value in os.environ.items() if name in FROM_THE_MACHINE}
    return child.environment({**ours, "WATCHKEEPER_URL": url, "WATCHKEEPER_TOKEN": ADMIN_TOKEN,
                              "XDG_CONFIG_HOME": str(tmp_path / "config"), "TZ": "UTC"})  # fmt: skip


@pytest.fixture
def watchkeeper(environment, tmp_path) -> Run:
    """Runs a command; `stdin` is piped in, other keywords change the environment."""

    async def run(*arguments: str, stdin: str = "", **changes: str) -> Done:
        process = await asyncio.create_subprocess_exec(
            *child.own_command(*arguments), cwd=tmp_path, env={**environment, **changes},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate(stdin.encode())
        return Done(process.returncode, out.decode(), err.decode())

    return run
