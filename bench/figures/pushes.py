"""P5: pings answered after they are durable, over a handler that does nothing, behind the same server."""

import asyncio
import sys

import aiohttp

from bench import programs
from bench.figure import Figure
from bench.installation import Installation, fresh_installation
from bench.ports import unused_port
from bench.run import Run

TOKEN = "bench-ping-token-"  # and five digits
MONITORS, CONNECTIONS = 300, 64
START_S = 20.0


async def measure(run: Run) -> list[Figure]:
    """Pings per second of 300 push monitors."""
    seconds = 5 if run.quick else 15
    noop = await _noop_rate(seconds)
    async with fresh_installation() as installed:
        await installed.start()
        await installed.register()
        for number in range(MONITORS):
            await _push_monitor(installed, number)
        rate, bad = await _rate(installed.port, f"/api/v1/push/{TOKEN}#", MONITORS, seconds)
    note = f"{rate:,.0f}/s over {noop:,.0f}/s no-op, {bad} not answered 200"
    return [
        Figure(
            name="P5a", what="pings/s, over a no-op handler", value=rate / noop, unit="x", goal=0.25, at_least=True,
            note=note,
        ),
        Figure(name="P5b", what="pings/s, durable when answered", value=rate, unit="/s", goal=3_000, at_least=True),
    ]  # fmt: skip


async def _rate(port: int, path: str, numbers: int, seconds: int) -> tuple[float, int]:
    words = (await programs.output("bench.pings", port, path, numbers, CONNECTIONS, seconds)).split()
    return float(words[0]), int(words[1])


async def _push_monitor(installed: Installation, number: int) -> None:
    draft = {"name": f"p-{number}", "type": "push", "config": {"token": f"{TOKEN}{number:05}"}, "interval": 60}
    await installed.post("/monitors", draft)


async def _noop_rate(seconds: int) -> float:
    port = unused_port()
    server = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.noop", str(port), cwd=programs.ROOT)
    try:
        await asyncio.wait_for(_answering(f"http://127.0.0.1:{port}/noop/x"), START_S)
        return (await _rate(port, "/noop/#", MONITORS, seconds))[0]
    finally:
        server.terminate()
        await server.wait()


async def _answering(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
