"""Self-monitoring: late checks, waiting jobs, missing results and alerts. Each problem alerts at its begin and end.

Any number of schedulers may run it at once: the database decides which of them opens or closes an alert.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import structlog
from redis.exceptions import RedisError

from actors import result_backlog, scheduler_metrics, uplink_status
from app import clock, db, due_set, interruptions, live, nodes, queue, self_checks
from app.domain.system.self_checks import Debouncer, Vitals, problems_in
from app.settings import Settings
from app.store.alerting import delivery_queue, outbox
from app.store.system import system_alerts
from schema.events import Event, EventKind

log = structlog.get_logger()


class SelfMonitor:
    """Checks our vitals and alerts about changes."""

    def __init__(self, settings: Settings, clock_problem: Callable[[], str] = str) -> None:
        """`clock_problem` returns a sentence about times in the future; empty: none."""
        self._clock_problem = clock_problem
        self._disk_path = _existing_path(
            Path(settings.db_path).parent if settings.db_type == "sqlite" else settings.data_dir
        )
        self._debouncer = Debouncer()
        self._last_found: frozenset[EventKind] = frozenset()  # by the last check
        self._last_lost: int | None = None  # slot count by the last check

    async def check(self) -> None:
        """Check once; publish problems found twice in a row, alert about those that began or ended."""
        found = problems_in(await self._vitals())
        await self_checks.publish(kind for kind in found if kind in self._last_found)
        self._last_found = frozenset(found)
        open_alerts = await system_alerts.list_open()
        began, ended = self._debouncer.update(found, open_alerts)
        for kind in began:
            await _alert_begin(kind, found[kind])
        for kind in ended:
            await _alert_end(kind, open_alerts[kind])

    async def _vitals(self) -> Vitals:
        ages = {name: await queue.oldest_age_s(name) for name in queue.QUEUES.values()}
        slowest = max(ages, key=lambda name: ages[name])
        overdue_s = await delivery_queue.overdue_ms(clock.now_ms()) / 1000
        scheduler_metrics.OVERDUE_DELIVERY.set(overdue_s)
        disk = await asyncio.to_thread(shutil.disk_usage, self._disk_path)
        return Vitals(
            lag_s=await measure_lag_s(),
            queue=slowest,
            queue_age_s=ages[slowest],
            workers=sum(node.role == "worker" for node in await nodes.list_alive()),
            lost_slots=await self._newly_lost(),
            stale_monitors=len(await due_set.list_stale()),
            result_wait_s=await result_backlog.oldest_age_s(),
            alert_overdue_s=overdue_s,
            free_bytes=disk.free,
            disk_bytes=disk.total,
            offline_workers=tuple(await uplink_status.cut_off_workers()),
            clock_jumps=await _jumps(),
            future_instants=self._clock_problem(),
        )

    async def _newly_lost(self) -> int:
        """Slots lost since the last check; the counter restarts when Redis is emptied."""
        lost = await due_set.count_lost_slots()
        before, self._last_lost = lost if self._last_lost is None else self._last_lost, lost
        scheduler_metrics.LOST_SLOTS.set(lost)
        return max(0, lost - before)


async def _jumps() -> tuple[tuple[str, float], ...]:
    """Nodes whose clock jumped lately, each with its largest jump in seconds."""
    jumps_by_node = {
        node: [sign.jump_s for sign in signs if sign.is_jump]
        for node, signs in (await interruptions.list_recent()).items()
    }
    return tuple(sorted((node, max(jumps, key=abs)) for node, jumps in jumps_by_node.items() if jumps))


def _existing_path(path: Path) -> Path:
    """The path or its nearest existing parent: with PostgreSQL the data folder may not exist yet."""
    path = path.absolute()
    return path if path.exists() else _existing_path(path.parent)


async def measure_lag_s() -> float:
    """Seconds since the earliest due time; 0 when nothing is overdue. Sets the metric."""
    oldest_ms = await due_set.oldest_due_ms()
    lag = max(0.0, (clock.now_ms() - oldest_ms) / 1000) if oldest_ms else 0.0
    scheduler_metrics.SCHEDULE_LAG.set(lag)
    return lag


async def _alert_begin(kind: EventKind, sentence: str) -> None:
    now_ms = clock.now_ms()
    async with db.transaction():
        if not await system_alerts.open_alert(kind, now_ms):
            return
        data = {"what": _problem_name(kind), "msg": sentence, "started_at": clock.instant(now_ms)}
        event, deliveries = await outbox.record_event(kind, data, now_ms)
    log.warning("self_monitor.alert_opened", what=_problem_name(kind), reason=sentence)
    await _publish(event, deliveries)


async def _alert_end(kind: EventKind, since_ms: int) -> None:
    now_ms = clock.now_ms()
    data = {
        "what": _problem_name(kind),
        "msg": f"{_problem_name(kind).replace('_', ' ')} is over",
        "started_at": clock.instant(since_ms),
        "duration": (now_ms - since_ms) / 1000,
    }
    async with db.transaction():
        if not await system_alerts.close_alert(kind, since_ms):
            return
        event, deliveries = await outbox.record_event(EventKind.RECOVERED, data, now_ms)
    log.info("self_monitor.alert_closed", what=_problem_name(kind), took_ms=now_ms - since_ms)
    await _publish(event, deliveries)


async def _publish(event: Event, deliveries: dict[str, list[str]]) -> None:
    """Enqueue deliveries and publish the event. It is stored: without Redis the sweep sends it later."""
    try:
        await queue.put(*queue.notify_jobs(deliveries))
        await live.publish([], [event])
    except RedisError as error:
        log.warning("self_monitor.publish_failed", error=type(error).__name__)


def _problem_name(kind: EventKind) -> str:
    return str(kind).partition(".")[2]
