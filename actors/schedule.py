"""The scheduler: claims due slots and puts them on the queue, in small steps that may be cut off anywhere.

Any number may run: claiming is one script on Redis. Beside the tick run the repairs: slots that did not land,
gaps that are not stored, a due set that differs from the database, deliveries that nobody sends.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any

import structlog
import uvloop
from redis.exceptions import RedisError

from actors.housekeeping import housekeeping
from actors.reconcile import Repairs
from actors.self_monitor import SelfWatch
from app import (
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
from schema.jobs import CheckBatch, Slot

log = structlog.get_logger()

TICK_S = 0.05  # slots that come due together travel together; half of it is the mean lateness it costs
IDLE_S = 1.0  # the longest sleep: a wake-up token may get lost
SHORTEST_S = 0.005  # Redis takes a wait of zero for one without end, and refuses a negative one
LIMIT = 500  # slots claimed per partition and tick
PER_JOB = 100  # slots in one check job
STOP_S = 20.0  # after which the process ends, whatever keeps it; before the parent kills it
TROUBLE = (RedisError, *db.TROUBLE)


def batches(slots: Sequence[Slot]) -> list[CheckBatch]:
    """Check jobs of at most `PER_JOB` slots."""
    return [CheckBatch(list(slots[start : start + PER_JOB])) for start in range(0, len(slots), PER_JOB)]


class Ticker:
    """Claims what is due, again and again."""

    def __init__(self, repairs: Repairs) -> None:
        self._repairs = repairs

    async def tick(self) -> float:
        """Claim once. Returns the seconds until the next slot is due."""
        if due_set.now_ms() < EPOCH_MS:  # a clock that was never set: no heartbeat could be stored
            return IDLE_S
        claim = await due_set.claim(LIMIT)
        if claim.lost:
            await self._repairs.rebuild()
            return 0.0
        await queue.put(*batches(claim.slots))
        if claim.gaps:
            await self._repairs.store_gaps(claim.gaps)
        if not claim.next_due_ms:
            return IDLE_S
        return (claim.next_due_ms - due_set.now_ms()) / 1000

    async def step(self) -> None:
        """Tick, then sleep until the next due time, or until somebody asks for a check now."""
        began = monotonic()
        wait_s = await self.tick()
        rest_s = max(0.0, TICK_S - (monotonic() - began))
        if wait_s <= max(rest_s, SHORTEST_S):
            await asyncio.sleep(rest_s)
        else:
            await queue.client().blpop(["wk:wake:schedule"], timeout=min(wait_s, IDLE_S))


async def steadily(name: str, work: Callable[[], Awaitable[object]], every_s: float) -> None:
    """Run work for ever; what is away for a while is waited for, and said once per outage."""
    away = False
    while True:
        try:
            await work()
            if away:
                log.info("schedule.back", part=name)
            away = False
            await asyncio.sleep(every_s)
        except TROUBLE as error:
            if not away:
                log.warning("schedule.waiting", part=name, error=type(error).__name__)
            away = True
            await asyncio.sleep(0.5)


async def schedule(settings: Settings, stop: asyncio.Event) -> None:
    """Run every part until `stop` is set."""
    repairs = Repairs()
    ticker = Ticker(repairs)
    parts = [
        steadily("tick", ticker.step, 0),
        steadily("overdue", repairs.overdue, 1),
        steadily("gaps", repairs.pending_gaps, 15),
        steadily("reconcile", repairs.reconcile, 30),
        steadily("sweep", repairs.sweep, 2),
        steadily("outages", repairs.outages, 30),
        steadily("escalate", repairs.escalate, 2),
        steadily("watch", repairs.watch, 5),
        steadily("clock", repairs.clock.look, 5),
        steadily("types", repairs.types, 3),
        steadily("named_types", repairs.named_types, 60),
        steadily("self", SelfWatch(settings, repairs.clock.trouble).look, 5),
        housekeeping(settings),
        nodes.register("scheduler", settings),
        metrics.publish(nodes.node_id("scheduler")),
        interruptions.keep(nodes.node_id("scheduler")),
        *([health_file.keep(settings.health_file)] if settings.health_file else []),
    ]
    running = [asyncio.create_task(part) for part in parts]
    stopped: asyncio.Task[Any] = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([*running, stopped], return_when=asyncio.FIRST_COMPLETED)
    timer = tasks.exit_at_the_latest(STOP_S)
    await tasks.end(*running)
    timer.cancel()
    for task in done - {stopped}:
        task.result()  # a part that ended by itself has a bug: let it be seen, and the parent start us again
        raise RuntimeError(f"{task.get_name()} has ended")


async def run(settings: Settings) -> None:
    """Open what the scheduler needs, schedule until SIGTERM or SIGINT, close."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if not await migrate.until_there(settings, stop.is_set):
        return
    sealing.prepare(settings)
    await db.start(settings)
    await queue.start(settings)
    gc_tuning.settle()
    failed = asyncio.Event()

    def fail() -> None:
        failed.set()
        stop.set()

    tasks.stop_process_with(fail)
    log.info("scheduler.started")
    try:
        await schedule(settings, stop)
        if failed.is_set():
            raise RuntimeError("a lasting task has ended")
    finally:
        tasks.exit_at_the_latest(STOP_S)
        await queue.stop()
        await db.stop()
        log.info("scheduler.stopped")


def main(settings: Settings) -> None:
    """The process."""
    uvloop.run(run(settings))
