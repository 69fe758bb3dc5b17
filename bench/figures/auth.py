"""AUTH: the cost of authentication: CPU of a request with a credential over the same request without one."""

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import psutil  # type: ignore[import-untyped]  # has no stubs

from bench import auth_routes, programs
from bench.figure import Figure
from bench.installation import Installation, fresh_installation
from bench.ports import unused_port
from bench.run import Run

GOAL = 1.5
CONNECTIONS = 16
ROUNDS, SECONDS = 4, 4  # turn by turn, so that what else the machine does is shared
START_S = 20.0


async def measure(run: Run) -> list[Figure]:
    """CPU per request by access token and by API key, over CPU per request without a credential."""
    rounds = 1 if run.quick else ROUNDS
    async with fresh_installation() as installed:
        await installed.start()
        await installed.register()
        key = (await installed.post("/api-keys", {"name": "bench"}))["key"]
        credentials = {"token": f"Authorization: Bearer {installed.token}", "key": f"X-API-Key: {key}", "nobody": ""}
        async with _twins(installed) as (port, server):
            await _cost_ms(port, server, auth_routes.PUBLIC, "")  # one-time imports and setup are not measured
            costs: defaultdict[str, list[float]] = defaultdict(list)
            for who, header in [*credentials.items()] * rounds:
                costs[who].append(
                    await _cost_ms(port, server, auth_routes.SIGNED_IN if header else auth_routes.PUBLIC, header)
                )
    anonymous = min(costs["nobody"])
    return [
        _figure("AUTHa", "access token", min(costs["token"]), anonymous),
        _figure("AUTHb", "API key", min(costs["key"]), anonymous),
    ]


def _figure(name: str, how: str, cost_ms: float, anonymous_ms: float) -> Figure:
    note = f"{cost_ms:.3f} ms CPU over {anonymous_ms:.3f} ms, the least of each"
    what = f"cost of a request by {how}, over an anonymous one"
    return Figure(name=name, what=what, value=cost_ms / anonymous_ms, unit="x", goal=GOAL, note=note)


async def _cost_ms(port: int, server: psutil.Process, path: str, header: str) -> float:
    """CPU milliseconds of the server per answer. Raises RuntimeError when an answer was not 200."""
    before = _cpu_s(server)
    words = (await programs.output("bench.pings", port, path, 1, CONNECTIONS, SECONDS, header)).split()
    if int(words[1]):
        raise RuntimeError(f"{words[1]} requests of {path} were not answered 200")
    return (_cpu_s(server) - before) * 1000 / (float(words[0]) * SECONDS)


def _cpu_s(server: psutil.Process) -> float:
    times = server.cpu_times()
    return float(times.user + times.system)


@asynccontextmanager
async def _twins(installed: Installation) -> AsyncIterator[tuple[int, psutil.Process]]:
    """One more API process of the installation, with the twins."""
    port = unused_port()
    environ = {**installed.environ, "SERVER_PORT": str(port)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.auth_routes", cwd=installed.folder, env=environ
    )
    try:
        await asyncio.wait_for(_answering(f"http://127.0.0.1:{port}{auth_routes.PUBLIC}"), START_S)
        yield port, psutil.Process(process.pid)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _answering(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url) as got:
                    if got.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
