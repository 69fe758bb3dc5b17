"""Watches ourselves: late checks, waiting jobs, results and alerts that do not arrive. Each is told once, its end too.

Any number of schedulers may look at once: what began and what is over is settled in the database.
"""

import asyncio
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog
from redis.exceptions import RedisError

from actors import result_backlog, scheduler_metrics, uplink_status
from app import db, due_set, interruptions, live, nodes, queue, self_checks
from app.domain.system.self_checks import Patience, Signs, troubles_of
from app.settings import Settings
from app.store.alerting import delivery_queue, outbox
from app.store.system import system_alerts
from schema.events import Event, EventKind

log = structlog.get_logger()


class SelfWatch:
    """Looks, and tells what changed."""

    def __init__(self, settings: Settings, ahead: Callable[[], str] = str) -> None:
        """`ahead` says what lies in the future; empty: nothing."""
        self._ahead = ahead
        self._place = _there(Path(settings.db_path).parent if settings.db_type == "sqlite" else settings.data_dir)
        self._patience = Patience()
        self._found: frozenset[EventKind] = frozenset()  # by the last look
        self._lost: int | None = None  # slots lost by the last look

    async def look(self) -> None:
        """Look once."""
        found = troubles_of(await self._signs())
        await self_checks.publish(kind for kind in found if kind in self._found)
        self._found = frozenset(found)
        lasting = await system_alerts.lasting()
        begun, ended = self._patience.weighed(found, lasting)
        for kind in begun:
            await _tell_begin(kind, found[kind])
        for kind in ended:
            await _tell_end(kind, lasting[kind])

    async def _signs(self) -> Signs:
        ages = {name: await queue.age_s(name) for name in queue.QUEUES.values()}
        slowest = max(ages, key=lambda name: ages[name])
        overdue_s = await delivery_queue.overdue_ms(due_set.now_ms()) / 1000
        scheduler_metrics.DUE_DELIVERY.set(overdue_s)
        disk = await asyncio.to_thread(shutil.disk_usage, self._place)
        return Signs(
            lag_s=await lag_s(),
            queue=slowest,
            queue_s=ages[slowest],
            workers=sum(node.role == "worker" for node in await nodes.alive()),
            lost=await self._newly_lost(),
            stale=len(await due_set.stale()),
            waiting_s=await result_backlog.oldest_s(),
            overdue_s=overdue_s,
            free=disk.free,
            size=disk.total,
            cut_off=tuple(await uplink_status.workers()),
            jumps=await _jumps(),
            ahead=self._ahead(),
        )

    async def _newly_lost(self) -> int:
        """Slots that were lost since the look before; Redis may have been made anew meanwhile."""
        lost = await due_set.lost_slots()
        before, self._lost = lost if self._lost is None else self._lost, lost
        scheduler_metrics.LOST.set(lost)
        return max(0, lost - before)


async def _jumps() -> tuple[tuple[str, float], ...]:
    """Whose clocks jumped lately, each by its largest jump."""
    noticed = {
        node: [one.jump_s for one in signs if one.is_jump] for node, signs in (await interruptions.recent()).items()
    }
    return tuple(sorted((node, max(jumps, key=abs)) for node, jumps in noticed.items() if jumps))


def _there(place: Path) -> Path:
    """The place, or what of the way to it exists: with PostgreSQL nobody may have made it yet."""
    place = place.absolute()
    return place if place.exists() else _there(place.parent)


async def lag_s() -> float:
    """How far the earliest due time has passed."""
    oldest_ms = await due_set.oldest_due_ms()
    lag = max(0.0, (due_set.now_ms() - oldest_ms) / 1000) if oldest_ms else 0.0
    scheduler_metrics.SCHEDULE_LAG.set(lag)
    return lag


async def _tell_begin(kind: EventKind, sentence: str) -> None:
    now_ms = due_set.now_ms()
    async with db.writing():
        if not await system_alerts.begin(kind, now_ms):
            return
        event, owed = await _stored(kind, {"what": _name(kind), "msg": sentence}, now_ms)
    log.warning("self.trouble_began", what=_name(kind), reason=sentence)
    await _pass_on(event, owed)


async def _tell_end(kind: EventKind, since_ms: int) -> None:
    now_ms = due_set.now_ms()
    began = datetime.fromtimestamp(since_ms / 1000, UTC)
    data = {
        "what": _name(kind),
        "msg": f"{_name(kind).replace('_', ' ')} is over",
        "started_at": began,
        "duration": (now_ms - since_ms) / 1000,
    }
    async with db.writing():
        if not await system_alerts.end(kind, since_ms):
            return
        event, owed = await _stored(EventKind.RECOVERED, data, now_ms)
    log.info("self.trouble_ended", what=_name(kind), took_ms=now_ms - since_ms)
    await _pass_on(event, owed)


async def _stored(kind: EventKind, data: dict[str, Any], now_ms: int) -> tuple[Event, dict[str, list[str]]]:
    event = Event(id=str(uuid4()), event=kind, at=datetime.fromtimestamp(now_ms / 1000, UTC), data=data)
    return event, await outbox.owe([event], now_ms)


async def _pass_on(event: Event, owed: dict[str, list[str]]) -> None:
    """It is stored: without Redis the sweeper tells it later."""
    try:
        await queue.put(*queue.notify_jobs(owed))
        await live.publish([], [event])
    except RedisError as error:
        log.warning("self.not_passed_on", error=type(error).__name__)


def _name(kind: EventKind) -> str:
    return str(kind).partition(".")[2]
