"""Housekeeping, once a minute by the leader: roll up hours, delete what is past its retention.

The leader holds a lease in Redis. Every step is safe to repeat, so a lost lease costs work, not correctness.
"""

import asyncio
import time
from uuid import uuid4

import structlog
from redis.exceptions import RedisError

from app import clock, clock_watch, db, leases
from app.settings import Settings
from app.store.alerting import deleted_channels, webhooks
from app.store.audit import chain
from app.store.history import retention, rollups
from app.store.history.retention import RetentionPeriods
from app.store.identity import login_failures
from app.store.system import idempotency
from app.store.tables.rollups import DAY_MS

LEADER_KEY = "wk:leader"
LEASE_MS = 150_000  # two and a half rounds: a leader that is alive keeps its lease
INTERVAL_S = 60.0
JUMP_PAUSE_S = 3_600.0  # after a clock jump nothing is deleted

log = structlog.get_logger()


async def run_housekeeping(settings: Settings) -> None:
    """Run rounds until cancelled, then release the leadership.

    settings  `db` and `queue` were started with them
    """
    token, periods = f"{settings.service_name}:{uuid4()}", RetentionPeriods(audit_days=settings.audit_retention_days)
    try:
        while True:
            await _run_round(token, periods)
            await asyncio.sleep(INTERVAL_S)
    finally:
        await _release_leadership(token)


async def _run_round(token: str, periods: RetentionPeriods | None = None) -> None:
    """Run one round if we lead; what fails now is repeated in the next one."""
    try:
        if await hold_leadership(token) and not _clock_jumped_lately():
            await run_once(clock.now_ms(), periods)
    except (RedisError, *db.TRANSIENT_ERRORS) as error:
        log.warning("housekeeping.retry", reason=str(error))
    except Exception:  # a bug here must not end the scheduler
        log.exception("housekeeping.crashed")


def _clock_jumped_lately() -> bool:
    """Whether the clock jumped lately: by its time everything may look expired."""
    jumped_s = clock_watch.watch.jumped_s
    jumped_lately = jumped_s is not None and time.monotonic() - jumped_s < JUMP_PAUSE_S
    if jumped_lately:
        log.info("housekeeping.paused", reason="the clock jumped")
    return jumped_lately


async def hold_leadership(token: str, lease_ms: int = LEASE_MS) -> bool:
    """Whether `token` holds the lease; takes a free lease and extends its own."""
    return await leases.acquire(LEADER_KEY, token, lease_ms)


async def _release_leadership(token: str) -> None:
    try:
        await leases.release(LEADER_KEY, token)
    except RedisError as error:
        log.warning("housekeeping.release_failed", reason=str(error))  # the lease expires by itself


async def run_once(now_ms: int, periods: RetentionPeriods | None = None) -> None:
    """Do one round of work as of `now_ms`."""
    began, periods = time.perf_counter(), periods or RetentionPeriods()
    hours = await rollups.advance(now_ms)
    n_pruned = await retention.prune(now_ms, periods) if hours else 0
    n_purged = await retention.purge_deleted_monitors(now_ms)
    await login_failures.delete_expired(now_ms)
    await idempotency.delete_expired(now_ms)
    await webhooks.drop_previous_secrets(now_ms)
    n_pruned += await deleted_channels.delete_unreferenced(now_ms)
    n_pruned += await chain.delete_before(now_ms - periods.audit_days * DAY_MS)
    if hours or n_purged:
        took_ms = round((time.perf_counter() - began) * 1_000)
        log.info("housekeeping.done", hours=hours, rows_pruned=n_pruned, series_purged=n_purged, took_ms=took_ms)
