"""A worker process: Dramatiq's broker and threads, one event loop, and the three stages as thin actors on it."""

import asyncio
import random
import signal
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any

import dramatiq
import msgspec
import structlog
import uvloop
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.errors import Retry
from dramatiq.middleware import Middleware
from redis.exceptions import RedisError

from actors import (
    broker,
    probes,
    result_backlog,
    senders,
    uplink_status,
    watchdog_ping,
)
from actors.check import Floor
from actors.egress_reload import Policies
from actors.ingest import Clerk
from actors.notify import Desk
from actors.snapshots import Snapshots
from app import db, gc_tuning, health_file, interruptions, metrics, migrate, nodes, queue, tasks
from app.security.auth import ack_links
from app.security.secrets import sealing
from app.settings import Settings
from schema.jobs import AdHocProbe, CheckBatch, NotifyBatch, ResultBatch

log = structlog.get_logger()

QUEUES = ("check", "ingest", "notify")
STOP_S = 28.0  # after which the process ends, drained or not; before the parent kills it
DRAIN_S = 20.0  # how long running checks and sends may take to end; below the parent's own patience
PREFETCH = 8  # jobs in hand: what a killed worker had fetched rests until its heartbeat has ended
IDLE_MS = 2_000  # how often an idle thread looks whether it should stop: 128 a second were half an idle worker


class Stages:
    """What this process does, opened on its loop."""

    floor: Floor
    clerk: Clerk
    desk: Desk

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._beside: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Open the database, Redis, and the tools of probes and senders."""
        settings, snapshots = self._settings, Snapshots()
        sealing.prepare(settings)
        await db.start(settings)
        await queue.start(settings)
        self._probes, self._senders = await probes.open_tools(settings), await senders.open_tools(settings)
        policies = Policies(self._probes.doors() | self._senders.doors())
        await policies.load()
        self.floor = Floor(self._probes, snapshots, settings.check_concurrency)
        self.clerk, self.desk = Clerk(snapshots), Desk(self._senders, ack_links.base_of(settings))
        self.floor.open()
        node = nodes.node_id("worker")
        beside = {
            "node": nodes.register("worker", settings),
            "metrics": metrics.publish(node),
            "clock": interruptions.keep(node),
            "policies": policies.keep(),
            "uplink": uplink_status.keep_saying(node, self._probes.uplink.looks_gone),
            "results": result_backlog.keep_reporting(node, self.floor.oldest_result_s),
        }
        if settings.health_file:
            beside["health"] = health_file.keep(settings.health_file)
        if settings.life_sign_url:
            sign = (settings.life_sign_url, settings.life_sign_every_s, self._senders.hooks)
            beside["lifesign"] = watchdog_ping.keep_giving(node, *sign)
        self._beside = [tasks.lasting(work, name) for name, work in beside.items()]

    async def close(self) -> None:
        """Finish what is under way, hand on what was seen, then close everything; whatever of it fails."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(db.stop)
            stack.push_async_callback(queue.stop)
            stack.push_async_callback(self._senders.close)
            stack.push_async_callback(self._probes.close)
            stack.push_async_callback(tasks.end, *self._beside)
            await asyncio.gather(self.floor.close(DRAIN_S), self.desk.close(DRAIN_S))


class Resources(Middleware):
    """Opens the stages before the first job and closes them after the last, on the loop that runs the actors."""

    def __init__(self, stages: Stages, fail: Callable[[], None]) -> None:
        self._stages, self._fail = stages, fail

    def before_worker_boot(self, _broker: dramatiq.Broker, _worker: dramatiq.Worker) -> None:
        """Open. Dramatiq logs what goes wrong, and would work on: without stages, every job would be lost."""
        try:
            _on_loop(self._stages.open())
        except BaseException:
            self._fail()
            raise
        gc_tuning.settle()

    def after_worker_shutdown(self, _broker: dramatiq.Broker, _worker: dramatiq.Worker) -> None:
        """Close."""
        _on_loop(self._stages.close())


def _on_loop(work: Coroutine[Any, Any, None]) -> None:
    thread = get_event_loop_thread()
    if thread is None:
        raise RuntimeError("no event loop: the AsyncIO middleware comes before Resources")
    thread.run_coroutine(work)


def declare(made: dramatiq.Broker, stages: Stages) -> None:
    """The actors: decode the job, hand it to its stage."""

    async def check(**job: Any) -> None:
        await stages.floor.admit(msgspec.convert(job, CheckBatch))

    async def probe(**job: Any) -> None:
        await stages.floor.try_once(msgspec.convert(job, AdHocProbe))

    async def ingest(**job: Any) -> None:
        batch = msgspec.convert(job, ResultBatch)
        try:
            await stages.clerk.ingest(batch)
        except (RedisError, *db.TROUBLE) as error:
            log.warning("ingest.put_off", error=type(error).__name__)
            raise Retry(delay=random.randint(500, 2_000)) from None  # noqa: S311  # spreads retries
        except Exception:
            log.exception("ingest.failed", n=len(batch.outcomes))  # Dramatiq's own line would hold what targets sent
            raise Retry(delay=random.randint(2_000, 5_000)) from None  # noqa: S311  # as above

    async def notify(**job: Any) -> None:
        await stages.desk.admit(msgspec.convert(job, NotifyBatch))

    # A check that is a minute late is worth nothing: its slot is already queued again, or lost.
    known: dict[str, Any] = {"broker": made, "throws": msgspec.ValidationError}  # a job of another version: never again
    dramatiq.actor(queue_name="check", max_retries=0, max_age=60_000, **known)(check)
    dramatiq.actor(queue_name="check", max_retries=0, max_age=60_000, **known)(probe)  # nobody waits for longer
    # A finished result waits for the database for hours; not for ever: a bug must end somewhere.
    dramatiq.actor(queue_name="ingest", max_retries=3_000, **known)(ingest)
    dramatiq.actor(queue_name="notify", max_retries=5, **known)(notify)


def run(settings: Settings, queues: Sequence[str] = QUEUES) -> int:
    """Work until SIGTERM or SIGINT, then drain; returns an exit code. 1: one of our own lasting tasks has ended."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    stop, failed = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def fail() -> None:
        failed.set()
        stop.set()

    tasks.stop_process_with(fail)
    if not asyncio.run(migrate.until_there(settings, stop.is_set)):
        return 0
    stages = Stages(settings)
    made = broker.make(settings, Resources(stages, fail))
    declare(made, stages)
    worker = dramatiq.Worker(
        made, queues=set(queues), worker_timeout=IDLE_MS, worker_threads=settings.queue_concurrency
    )
    worker.queue_prefetch = PREFETCH
    made.emit_after("process_boot")
    worker.start()
    log.info("worker.started", queues=list(queues), threads=settings.queue_concurrency)
    stop.wait()
    tasks.exit_at_the_latest(STOP_S)
    worker.stop(timeout=int(DRAIN_S * 1000))
    made.close()
    log.info("worker.stopped", failed=failed.is_set())
    return int(failed.is_set())
