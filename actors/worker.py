"""The worker process: Dramatiq's broker and threads, one event loop, and the stages as thin actors on it."""

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

from actors import broker, probes, result_backlog, senders, uplink_status, watchdog_ping
from actors.alert_lag import AlertLag
from actors.check import CheckRunner
from actors.egress_reload import EgressReload
from actors.ingest import ResultWriter
from actors.notify import Notifier
from actors.snapshots import Snapshots
from actors.takeover import Takeover
from actors.thread_turns import ThreadTurns
from app import db, gc_tuning, health_file, interruptions, metrics, migrate, nodes, queue, tasks
from app.security.auth import ack_links
from app.security.secrets import sealing
from app.settings import Settings
from schema.jobs import AdHocProbe, CheckBatch, NotifyBatch, ResultBatch

log = structlog.get_logger()

QUEUES = ("check", "ingest", "notify")
STOP_TIMEOUT_S = 28.0  # after which the process exits, drained or not; below the supervisor's kill timeout
DRAIN_TIMEOUT_S = 20.0  # how long running checks and sends may take; below STOP_TIMEOUT_S
PREFETCH = 8  # jobs: what a killed worker had fetched may wait until its heartbeat has expired
IDLE_TIMEOUT_MS = 2_000  # how often an idle thread checks for a stop; 128 times a second took half of an idle worker


class WorkerServices:
    """Services of this process, opened on its loop."""

    checks: CheckRunner
    results: ResultWriter
    notifier: Notifier

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._background: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Open the database, Redis, the contexts of probes and senders, then start background tasks."""
        settings, snapshots = self._settings, Snapshots()
        sealing.prepare(settings)
        await db.start(settings)
        await queue.start(settings)
        self._probes, self._senders = await probes.open_probe_context(settings), senders.make_context()
        egress_reload = EgressReload(self._probes.egress_by_setting() | self._senders.egress_by_setting())
        await egress_reload.load()
        lag, turns = AlertLag(), ThreadTurns()
        self.checks = CheckRunner(self._probes, snapshots, settings.check_concurrency, lag, turns)
        self.results = ResultWriter(snapshots, lag)
        self.notifier = Notifier(
            self._senders, ack_links.base_url(settings), timezone=settings.tz, lag=lag, turns=turns
        )
        self.checks.start()
        node = nodes.node_id("worker")
        background = {
            "node": nodes.register("worker", settings),
            "metrics": metrics.publish(node),
            "clock": interruptions.watch_clock(node),
            "policies": egress_reload.run(),
            "uplink": uplink_status.run(node, self._probes.uplink.seems_down),
            "results": result_backlog.run(node, self.checks.oldest_result_age_s),
            "takeover": Takeover().run(),
        }
        if settings.health_file:
            background["health"] = health_file.touch_forever(settings.health_file)
        if settings.dead_mans_switch_url:
            target = (settings.dead_mans_switch_url, settings.dead_mans_switch_interval_s, self._senders.webhook_http)
            background["watchdog"] = watchdog_ping.run(node, *target)
        self._background = [tasks.start_permanent(work, name) for name, work in background.items()]

    async def close(self) -> None:
        """Finish running checks and sends, flush results, then close everything, even when a step fails."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(db.stop)
            stack.push_async_callback(queue.stop)
            stack.push_async_callback(self._senders.close)
            stack.push_async_callback(self._probes.close)
            stack.push_async_callback(tasks.cancel, *self._background)
            await asyncio.gather(self.checks.close(DRAIN_TIMEOUT_S), self.notifier.close(DRAIN_TIMEOUT_S))


class Resources(Middleware):
    """Opens the services before the first job and closes them after the last, on the actors' loop."""

    def __init__(self, services: WorkerServices, fail: Callable[[], None]) -> None:
        self._services, self._fail = services, fail

    def before_worker_boot(self, _broker: dramatiq.Broker, _worker: dramatiq.Worker) -> None:
        """Open. Dramatiq logs an error here and goes on; without services every job would be lost, so we stop."""
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
    """Declare the actors: each decodes a job and passes it to its service."""

    async def check(**job: Any) -> None:
        await services.checks.admit(msgspec.convert(job, CheckBatch))

    async def probe(**job: Any) -> None:
        await services.checks.run_ad_hoc(msgspec.convert(job, AdHocProbe))

    async def ingest(**job: Any) -> None:
        batch = msgspec.convert(job, ResultBatch)
        try:
            await services.results.ingest(batch)
        except (RedisError, *db.TRANSIENT_ERRORS) as error:
            log.warning("ingest.retry", error=type(error).__name__)
            raise Retry(delay=random.randint(500, 2_000)) from None  # noqa: S311  # spreads retries
        except Exception:
            # Dramatiq's own log line would hold data from targets.
            log.exception("ingest.crashed", n=len(batch.outcomes))
            raise Retry(delay=random.randint(2_000, 5_000)) from None  # noqa: S311  # as above

    async def notify(**job: Any) -> None:
        await services.notifier.admit(msgspec.convert(job, NotifyBatch))

    # A job of another version is not retried.
    options: dict[str, Any] = {"broker": dramatiq_broker, "throws": msgspec.ValidationError}
    # A check job a minute old is dropped: its slot was requeued or recorded as lost.
    dramatiq.actor(queue_name="check", max_retries=0, max_age=60_000, **options)(check)
    dramatiq.actor(queue_name="check", max_retries=0, max_age=60_000, **options)(probe)  # no caller waits longer
    # A result is retried for hours while the database is unavailable, but a bug must end somewhere.
    dramatiq.actor(queue_name="ingest", max_retries=3_000, **options)(ingest)
    dramatiq.actor(queue_name="notify", max_retries=5, **options)(notify)


def run(settings: Settings, queues: Sequence[str] = QUEUES) -> int:
    """Work until SIGTERM or SIGINT, then drain. Returns the exit code; 1: a background task has ended."""
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
    services = WorkerServices(settings)
    dramatiq_broker = broker.make_broker(settings, Resources(services, fail))
    declare_actors(dramatiq_broker, services)
    worker = dramatiq.Worker(
        dramatiq_broker, queues=set(queues), worker_timeout=IDLE_TIMEOUT_MS, worker_threads=settings.queue_concurrency
    )
    worker.queue_prefetch = PREFETCH
    dramatiq_broker.emit_after("process_boot")
    worker.start()
    log.info("worker.started", queues=list(queues), threads=settings.queue_concurrency)
    stop.wait()
    tasks.exit_after(STOP_TIMEOUT_S)
    worker.stop(timeout=int(DRAIN_TIMEOUT_S * 1000))
    dramatiq_broker.close()
    log.info("worker.stopped", failed=failed.is_set())
    return int(failed.is_set())
