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
from actors.check import CheckRunner
from actors.egress_reload import EgressReload
from actors.ingest import ResultWriter
from actors.notify import Notifier
from actors.snapshots import Snapshots
from app import db, gc_tuning, health_file, interruptions, metrics, migrate, nodes, queue, tasks
from app.security.auth import ack_links
from app.security.secrets import sealing
from app.settings import Settings
from schema.jobs import AdHocProbe, CheckBatch, NotifyBatch, ResultBatch

log = structlog.get_logger()

QUEUES = ("check", "ingest", "notify")
STOP_TIMEOUT_S = 28.0  # after which the process ends, drained or not; before the parent kills it
DRAIN_TIMEOUT_S = 20.0  # how long running checks and sends may take to end; below the parent's own patience
PREFETCH = 8  # jobs in hand: what a killed worker had fetched rests until its heartbeat has ended
IDLE_TIMEOUT_MS = 2_000  # how often an idle thread looks whether it should stop: 128 a second were half an idle worker


class WorkerServices:
    """What this process does, opened on its loop."""

    checks: CheckRunner
    results: ResultWriter
    notifier: Notifier

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._background: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Open the database, Redis, and the tools of probes and senders."""
        settings, snapshots = self._settings, Snapshots()
        sealing.prepare(settings)
        await db.start(settings)
        await queue.start(settings)
        self._probes, self._senders = await probes.open_probe_context(settings), await senders.open_context(settings)
        policies = EgressReload(self._probes.egress_by_setting() | self._senders.egress_by_setting())
        await policies.load()
        self.checks = CheckRunner(self._probes, snapshots, settings.check_concurrency)
        self.results, self.notifier = ResultWriter(snapshots), Notifier(self._senders, ack_links.base_url(settings))
        self.checks.start()
        node = nodes.node_id("worker")
        beside = {
            "node": nodes.register("worker", settings),
            "metrics": metrics.publish(node),
            "clock": interruptions.watch_clock(node),
            "policies": policies.run(),
            "uplink": uplink_status.run(node, self._probes.uplink.seems_down),
            "results": result_backlog.run(node, self.checks.oldest_result_age_s),
        }
        if settings.health_file:
            beside["health"] = health_file.touch_forever(settings.health_file)
        if settings.life_sign_url:
            sign = (settings.life_sign_url, settings.life_sign_every_s, self._senders.webhook_http)
            beside["lifesign"] = watchdog_ping.run(node, *sign)
        self._background = [tasks.start_permanent(work, name) for name, work in beside.items()]

    async def close(self) -> None:
        """Finish what is under way, hand on what was seen, then close everything; whatever of it fails."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(db.stop)
            stack.push_async_callback(queue.stop)
            stack.push_async_callback(self._senders.close)
            stack.push_async_callback(self._probes.close)
            stack.push_async_callback(tasks.cancel, *self._background)
            await asyncio.gather(self.checks.close(DRAIN_TIMEOUT_S), self.notifier.close(DRAIN_TIMEOUT_S))


class Resources(Middleware):
    """Opens the stages before the first job and closes them after the last, on the loop that runs the actors."""

    def __init__(self, services: WorkerServices, fail: Callable[[], None]) -> None:
        self._services, self._fail = services, fail

    def before_worker_boot(self, _broker: dramatiq.Broker, _worker: dramatiq.Worker) -> None:
        """Open. Dramatiq logs what goes wrong, and would work on: without stages, every job would be lost."""
        try:
            _run_on_loop(self._services.open())
        except BaseException:
            self._fail()
            raise
        gc_tuning.freeze_and_enable()

    def after_worker_shutdown(self, _broker: dramatiq.Broker, _worker: dramatiq.Worker) -> None:
        """Close."""
        _run_on_loop(self._services.close())


def _run_on_loop(work: Coroutine[Any, Any, None]) -> None:
    thread = get_event_loop_thread()
    if thread is None:
        raise RuntimeError("no event loop: the AsyncIO middleware comes before Resources")
    thread.run_coroutine(work)


def declare_actors(dramatiq_broker: dramatiq.Broker, services: WorkerServices) -> None:
    """The actors: decode the job, hand it to its stage."""

    async def check(**job: Any) -> None:
        await services.checks.admit(msgspec.convert(job, CheckBatch))

    async def probe(**job: Any) -> None:
        await services.checks.run_ad_hoc(msgspec.convert(job, AdHocProbe))

    async def ingest(**job: Any) -> None:
        batch = msgspec.convert(job, ResultBatch)
        try:
            await services.results.ingest(batch)
        except (RedisError, *db.TRANSIENT_ERRORS) as error:
            log.warning("ingest.put_off", error=type(error).__name__)
            raise Retry(delay=random.randint(500, 2_000)) from None  # noqa: S311  # spreads retries
        except Exception:
            log.exception("ingest.failed", n=len(batch.outcomes))  # Dramatiq's own line would hold what targets sent
            raise Retry(delay=random.randint(2_000, 5_000)) from None  # noqa: S311  # as above

    async def notify(**job: Any) -> None:
        await services.notifier.admit(msgspec.convert(job, NotifyBatch))

    # A check that is a minute late is worth nothing: its slot is already queued again, or lost.
    known: dict[str, Any] = {
        "broker": dramatiq_broker,
        "throws": msgspec.ValidationError,
    }  # a job of another version: never again
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

    tasks.on_task_failure(fail)
    if not asyncio.run(migrate.wait_until_ready(settings, stop.is_set)):
        return 0
    stages = WorkerServices(settings)
    made = broker.make_broker(settings, Resources(stages, fail))
    declare_actors(made, stages)
    worker = dramatiq.Worker(
        made, queues=set(queues), worker_timeout=IDLE_TIMEOUT_MS, worker_threads=settings.queue_concurrency
    )
    worker.queue_prefetch = PREFETCH
    made.emit_after("process_boot")
    worker.start()
    log.info("worker.started", queues=list(queues), threads=settings.queue_concurrency)
    stop.wait()
    tasks.exit_after(STOP_TIMEOUT_S)
    worker.stop(timeout=int(DRAIN_TIMEOUT_S * 1000))
    made.close()
    log.info("worker.stopped", failed=failed.is_set())
    return int(failed.is_set())
