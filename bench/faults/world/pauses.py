"""Processes that stand still for some seconds, as on a machine that swaps, is moved, or sleeps."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.faults.world.scenario import Fault, Scenario
from bench.faults.world.stage import World

ROLES = ("api", "scheduler", "worker", "valkey", "parent")
SHORT_S, LONG_S = 6.0, 20.0


def scenarios() -> list[Scenario]:
    """Every role by itself and all together, for a short and for a long time."""
    return [
        Scenario(
            name=f"{role or 'everything'} paused for {hold_s:.0f} s",
            fault=_paused(role),
            hold_s=hold_s,
            is_short=hold_s == SHORT_S and role in {"worker", ""},
        )
        for hold_s in (SHORT_S, LONG_S)
        for role in (*ROLES, "")
    ]


def _paused(role: str) -> Fault:
    @asynccontextmanager
    async def fault(world: World) -> AsyncIterator[None]:
        pids = [process.pid for process in world.scene.installation.family() if role in {process.role, ""}]
        _signal(pids, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(pids, signal.SIGCONT)

    return fault


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
