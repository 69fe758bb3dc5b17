"""P13: what a check costs in a fleet of several types, over one of HTTP alone."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from app import db
from bench import programs, record
from bench.figure import Figure
from bench.installation import Installation, fresh_installation
from bench.programs import ControlledProgram
from bench.reading import INTERVAL_S
from bench.run import Run
from bench.sweep import FEW, SETTLE_S
from schema.heartbeats import slot_of_key
from schema.status import Status

Kinds = Mapping[str, dict[str, Any]]


async def measure(run: Run) -> list[Figure]:
    """2,000 monitors of one type, then as many of four; CPU of every process of ours over stored heartbeats."""
    seconds = INTERVAL_S if run.quick else 2 * INTERVAL_S
    async with programs.controlled("bench.target") as target, programs.serving("bench.nameserver") as names:
        mixed = kinds(target, names)
        alone_ms, _ = await _cost({"http": mixed["http"]}, seconds)
        mixed_ms, failed = await _cost(mixed, seconds)
    note = f"{mixed_ms:.3f} ms over {alone_ms:.3f} ms, {failed} failed"
    what = "cost of a check, 500 each of http, tcp, dns and ping at 20 s, over 2,000 http"
    return [Figure(name="P13", what=what, value=mixed_ms / alone_ms, unit="x", goal=1.25, note=note)]


def kinds(target: ControlledProgram, names: int) -> Kinds:
    """A config per type; each of them answers at once, on loopback."""
    return {
        "http": {"url": target.url("/t/0")},
        "tcp": {"host": "127.0.0.1", "port": target.port},
        "dns": {"host": "a.example.com", "resolver_server": "127.0.0.1", "port": names},
        "ping": {"host": "127.0.0.1"},
    }


async def _cost(of: Kinds, seconds: float) -> tuple[float, int]:
    """CPU milliseconds per check, and how many were not up."""
    async with fresh_installation() as installed:
        await _peopled(installed, of)
        await asyncio.sleep(SETTLE_S)
        began, before = time.time(), installed.cost()
        await asyncio.sleep(seconds)
        after, ended = installed.cost(), time.time()
        await asyncio.sleep(1)  # what was checked last is stored by then
        async with record.record(installed):
            beats = await db.rows("SELECT id, status FROM heartbeats")
    statuses = [row["status"] for row in beats if began * 1000 <= slot_of_key(row["id"])[1] < ended * 1000]
    return (after.cpu_s - before.cpu_s) * 1000 / len(statuses), sum(one != Status.UP for one in statuses)


async def _peopled(installed: Installation, of: Kinds) -> None:
    """Start with 2,000 monitors, as many of each type."""
    await installed.start()
    await installed.register()
    for number, (kind, config) in enumerate(of.items()):
        await installed.post(
            "/monitors", {"name": f"t-{number}", "type": kind, "config": config, "interval": INTERVAL_S}
        )
    await installed.stop()
    share = (FEW - len(of)) // len(of)
    async with record.record(installed):
        for number in range(len(of)):
            first = len(of) + number * share
            await record.clone(await record.monitor_id(f"t-{number}"), range(first, first + share))
    await installed.start()
