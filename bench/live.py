"""P9: how long a stored heartbeat takes to a thousand listeners, and whether any is lost on the way.

python -m bench.live [seconds]

The product runs as `up` starts it; heartbeats are published into its Redis the way the ingest does, without checks
around them. One more listener never reads.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from app import live, queue, settings
from bench.installation import Installation, fresh_installation
from bench.listeners import Report
from bench.programs import ROOT
from schema.heartbeats import Heartbeat
from schema.status import Status

CLIENTS = 1_000
SOCKETS = {"LIVE_SOCKETS_PER_ADDRESS": "2000", "LIVE_SOCKETS_PER_USER": "2000"}  # all are one user on one machine
PUBLISHES_PER_S = 20  # a batch leaves the ingest about that often at this load
BEATS = 10  # a batch: 200 beats a second
READY_S = 120.0
DRAIN_S = 2.0  # after the last message, for those on their way


async def run(seconds: float) -> dict[str, float]:
    """Measure for so long.

    returns  p50_ms, p99_ms and max_ms from publish to arrival; messages, beats, lost beats and gaps of all clients
             together; cores that all processes of the product used
    """
    async with fresh_installation(SOCKETS) as installed:
        await installed.start()
        await installed.register()
        await queue.start(settings.read_settings(installed.environ, installed.folder))
        try:
            async with _listeners(installed) as listeners:
                return await _measured(installed, listeners, seconds)
        finally:
            await queue.stop()


async def _measured(installed: Installation, listeners: asyncio.subprocess.Process, seconds: float) -> dict[str, float]:
    before, began = installed.cost(), time.perf_counter()
    sent = await _publish(seconds)
    cores = (installed.cost().cpu_s - before.cpu_s) / (time.perf_counter() - began)
    await asyncio.sleep(DRAIN_S)
    printed, _ = await asyncio.wait_for(listeners.communicate(b""), READY_S)
    report = msgspec.json.decode(printed, type=Report)
    return {**msgspec.structs.asdict(report), "lost": sent * CLIENTS - report.beats, "cores": cores}


@asynccontextmanager
async def _listeners(installed: Installation) -> AsyncIterator[asyncio.subprocess.Process]:
    """The clients, connected and subscribed, in a process of their own."""
    words = (str(installed.port), installed.token, str(CLIENTS))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.listeners", *words, cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        if await asyncio.wait_for(process.stdout.readline(), READY_S) != b"ready\n":
            raise RuntimeError("the listeners could not connect")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _publish(seconds: float) -> int:
    """Publish batches at an even pace; returns how many heartbeats."""
    monitors = [str(uuid4()) for _ in range(4_000)]
    begin = time.perf_counter()
    total = int(seconds * PUBLISHES_PER_S)
    for number in range(total):
        await asyncio.sleep(begin + number / PUBLISHES_PER_S - time.perf_counter())
        batch = [monitors[(number * BEATS + offset) % len(monitors)] for offset in range(BEATS)]
        await live.publish([_beat(monitor_id) for monitor_id in batch])
    return total * BEATS


def _beat(monitor_id: str) -> Heartbeat:
    """An ordinary heartbeat. Its id holds its publishing time in nanoseconds."""
    facts: dict[str, Any] = {"status": Status.UP, "raw_status": Status.UP, "ping": 12.3, "msg": "200 OK"}
    return Heartbeat(id=str(time.time_ns()), monitor_id=monitor_id, time=datetime.now(UTC), important=False, **facts)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0))))
