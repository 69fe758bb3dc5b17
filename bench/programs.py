"""Programs that run beside the product during a measurement: targets, receivers, load. They end with us."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

ROOT = Path(__file__).resolve().parent.parent
START_S = 20.0
CONTROL = aiohttp.ClientTimeout(total=60)


async def output(module: str, *words: object, limit_s: float = 180.0) -> str:
    """Run a module to its end and return what it printed. Raises RuntimeError when it failed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *map(str, words), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        printed, _ = await asyncio.wait_for(process.communicate(), limit_s)
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise RuntimeError(f"{module} ended with {process.returncode}")
    return printed.decode().strip()


@asynccontextmanager
async def serving(module: str, *words: object) -> AsyncIterator[int]:
    """A server of ours on loopback, for as long as the block lasts; yields its port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *map(str, words), cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield int(await asyncio.wait_for(process.stdout.readline(), START_S))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class ControlledProgram:
    """Controls a target or a receiver over HTTP."""

    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self.port = port
        self._session = session

    def url(self, path: str) -> str:
        """An address on it."""
        return f"http://127.0.0.1:{self.port}{path}"

    async def get(self, path: str) -> bytes:
        """The body it answers with."""
        async with self._session.get(self.url(path), timeout=CONTROL) as got:
            return await got.read()


@asynccontextmanager
async def controlled(module: str, *words: object) -> AsyncIterator[ControlledProgram]:
    """Start `bench.target` or `bench.receiver` and talk to it."""
    async with serving(module, *words) as port, aiohttp.ClientSession() as session:
        yield ControlledProgram(port, session)
