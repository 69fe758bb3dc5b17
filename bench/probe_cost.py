"""What a check costs over a bare aiohttp loop: CPU of this process per check, both in one run, turn about.

python -m bench.probe_cost [checks per turn] [turns]
"""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import uvloop

from actors.probes import open_probe_context, run_probe
from app.settings import Settings
from bench import wire
from schema.jobs import Slot
from schema.monitors import Snapshot
from schema.status import Status
from schema.targets import Http

AT_ONCE = 64
LIMIT = 1.25  # times the bare loop


async def cost_ms(measure: Callable[[], Awaitable[Any]], times: int) -> float:
    """CPU milliseconds of this process for one `measure`."""

    async def one_after_another() -> None:
        for _ in range(times // AT_ONCE):
            await measure()

    began = time.process_time()
    await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))
    return (time.process_time() - began) * 1000 / (times // AT_ONCE * AT_ONCE)


async def measure(url: str, times: int, turns: int) -> list[tuple[float, float]]:
    """(bare, probe) in milliseconds, turn by turn; the first turn warms up and is dropped."""
    context = await open_probe_context(
        cast("Settings", SimpleNamespace(check_concurrency=2_000, connectivity_check_hosts=()))
    )
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    slot, monitor = Slot(1, 1, 0), snapshot(url)

    async with aiohttp.ClientSession(connector=connector) as session:

        async def bare() -> None:
            async with session.get(url) as answer:
                await answer.read()

        async def probe() -> None:
            outcome = await run_probe(slot, monitor, context)
            assert outcome.status is Status.UP, outcome

        figures = [(await cost_ms(bare, times), await cost_ms(probe, times)) for _ in range(turns + 1)]
    await context.close()
    return figures[1:]


def snapshot(url: str) -> Snapshot:
    """An everyday HTTP monitor."""
    return Snapshot(1, 1, "bench", "bench", Http(url=url), 20_000, 16_000, 20_000, 0, 0, upside_down=False)


def main(times: int = 6_400, turns: int = 5) -> None:
    """Print a line per turn and the median ratio."""
    serving = [sys.executable, "-m", "bench.probe_cost", "serve"]
    server = subprocess.Popen(serving, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/t/1"
        figures = uvloop.run(measure(url, times, turns))
    finally:
        server.kill()
        server.wait()
    for bare_ms, probe_ms in figures:
        print(f"bare {bare_ms:.4f} ms   probe {probe_ms:.4f} ms   {probe_ms / bare_ms:.2f} x")
    ratio = statistics.median(probe / bare for bare, probe in figures)
    print(f"median {ratio:.2f} x, limit {LIMIT} x: {'ok' if ratio <= LIMIT else 'TOO MUCH'}")


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        wire.run(lambda asker, _head, _body: asker.send(wire.OK), 0)
    else:
        main(*map(int, sys.argv[1:]))
