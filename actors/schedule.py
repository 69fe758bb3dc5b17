"""The scheduler: claims due slots and enqueues them for checking, in small steps that may be interrupted anywhere.

Any number of schedulers may run: claiming is one Redis script. Beside the tick run the reconcile loops: slots without
a result, gaps that are not stored, a due set that differs from the database, deliveries that were not sent.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from time import monotonic
from typing import Any

import structlog
import uvloop
from redis.exceptions import RedisError

from actors.housekeeping import run_housekeeping
from actors.reconcile import Reconciler
from actors.self_monitor import SelfMonitor
from actors.takeover import Takeover
from app import (
    clock,
    db,
    due_set,
    gc_tuning,
    health_file,
    interruptions,
    metrics,
    migrate,
    nodes,
    queue,
    tasks,
)
from app.security.secrets import sealing
from app.settings import Settings
from schema.heartbeats import EPOCH_MS

log = structlog.get_logger()

TICK_S = 0.05  # slots due within it share a job; it costs half of it in mean lateness
MAX_SLEEP_S = 1.0  # a wake-up token may get lost
MIN_WAIT_S = 0.005  # Redis blocks for ever on a timeout of 0 and rejects a negative one
MAX_SLOTS = 500  # claimed per partition and tick
STOP_TIMEOUT_S = 20.0  # after which the process exits anyway; below the supervisor's kill timeout
RETRIED_ERRORS = (RedisError, *db.TRANSIENT_ERRORS)


class Ticker:
    """Claims due slots and enqueues them."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler

    async def tick(self) -> float:
        """Claim once. Returns the seconds until the next slot is due."""
        if clock.now_ms() < EPOCH_MS:  # the clock was never set: no heartbeat could be stored
            return MAX_SLEEP_S
        claim = await due_set.claim_due(MAX_SLOTS)
        if claim.is_missing:
            await self._reconciler.rebuild()
            return 0.0
        await queue.put(*queue.check_jobs(claim.slots))
        if claim.gaps:
            await self._reconciler.store_gaps(claim.gaps)
        if not claim.next_due_ms:
            return MAX_SLEEP_S
        return (claim.next_due_ms - clock.now_ms()) / 1000

    async def step(self) -> None:
        """Tick, then sleep until the next due time or until a check-now request wakes us."""
        began = monotonic()
        wait_s = await self.tick()
        rest_s = max(0.0, TICK_S - (monotonic() - began))
        if wait_s <= max(rest_s, MIN_WAIT_S):
            await asyncio.sleep(rest_s)
        else:
            await queue.client().blpop(["wk:wake:schedule"], timeout=min(wait_s, MAX_SLEEP_S))


async def run_forever(name: str, work: Callable[[], Awaitable[object]], interval_s: float) -> None:
    """Repeat work for ever. While Redis or the database is unavailable, retry; log it once per outage."""
    unavailable = False
    while True:
        try:
            await work()
            if unavailable:
                log.info("schedule.recovered", part=name)
            unavailable = False
            await asyncio.sleep(interval_s)
        except RETRIED_ERRORS as error:
            if not unavailable:
                log.warning("schedule.unavailable", part=name, error=type(error).__name__)
            unavailable = True
            await asyncio.sleep(0.5)


def _make_loops(settings: Settings) -> dict[str, Coroutine[Any, Any, None]]:
    """Every loop of this process by name."""
    reconciler, node = Reconciler(), nodes.node_id("scheduler")
    repeated: dict[str, tuple[Callable[[], Awaitable[object]], float]] = {  # name → work, seconds in between
        "tick": (Ticker(reconciler).step, 0),
        "overdue": (reconciler.requeue_overdue, 1),
        "gaps": (reconciler.store_pending_gaps, 15),
        "reconcile": (reconciler.reconcile, 30),
        "sweep": (reconciler.sweep_deliveries, 2),
        "incidents": (reconciler.open_missing_incidents, 30),
        "escalate": (reconciler.escalate, 2),
        "measure": (reconciler.measure, 5),
        "clock_repairs": (reconciler.clock_repairs.repair_after_jump, 5),
        "types": (reconciler.remove_wrong_types, 3),
        "named_types": (reconciler.remove_wrong_named_types, 60),
        "self_monitor": (SelfMonitor(settings, reconciler.clock_repairs.problem).check, 5),
    }
    return {
        **{name: run_forever(name, work, interval_s) for name, (work, interval_s) in repeated.items()},
        "housekeeping": run_housekeeping(settings),
        "node": nodes.register("scheduler", settings),
        "metrics": metrics.publish(node),
        "clock": interruptions.watch_clock(node),
        "takeover": Takeover().run(),
        **({"health": health_file.touch_forever(settings.health_file)} if settings.health_file else {}),
    }


async def run_loops(settings: Settings, stop: asyncio.Event) -> None:
    """Run every loop until `stop` is set. Raises when a loop ends by itself."""
    running = [asyncio.create_task(loop, name=name) for name, loop in _make_loops(settings).items()]
    stopped: asyncio.Task[Any] = asyncio.create_task(stop.wait(), name="stop")
    done, _ = await asyncio.wait([*running, stopped], return_when=asyncio.FIRST_COMPLETED)
    timer = tasks.exit_after(STOP_TIMEOUT_S)
    await tasks.cancel(*running)
    timer.cancel()
    for task in done - {stopped}:
        task.result()  # a loop that ended by itself has a bug: fail, and let the supervisor restart us
        raise RuntimeError(f"{task.get_name()} has ended")


async def run(settings: Settings) -> None:
    """Open the database and Redis, schedule until SIGTERM or SIGINT, close."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if not await migrate.wait_until_ready(settings, stop.is_set):
        return
    sealing.prepare(settings)
    await db.start(settings)
    await queue.start(settings)
    gc_tuning.freeze_and_enable()
    failed = asyncio.Event()

    def fail() -> None:
        failed.set()
        stop.set()

    tasks.on_task_failure(fail)
    log.info("schedule.started")
    try:
        await run_loops(settings, stop)
        if failed.is_set():
            raise RuntimeError("a lasting task has ended")
    finally:
        tasks.exit_after(STOP_TIMEOUT_S)
        await queue.stop()
        await db.stop()
        log.info("schedule.stopped")


def main(settings: Settings) -> None:
    """Entry point of the scheduler process."""
    uvloop.run(run(settings))
