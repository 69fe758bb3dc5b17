"""The leader's work, once a minute: hours are rolled up, what is too old is forgotten.

The leader is who holds a key in Redis. All that is done here may be done twice, so a lost key costs work, not truth.
"""

import asyncio
import time
from uuid import uuid4

import structlog
from redis.exceptions import RedisError

from app import clock_watch, db, queue
from app.settings import Settings
from app.store.alerting import webhooks
from app.store.audit import chain
from app.store.history import retention, rollups
from app.store.history.retention import RetentionPeriods
from app.store.identity import login_failures
from app.store.system import idempotency, secret_rotation
from app.store.tables.rollups import DAY_MS

LEADER_KEY = "wk:leader"
LEASE_MS = 150_000  # two rounds and a half: whoever is alive keeps the office
INTERVAL_S = 60.0
JUMP_PAUSE_S = 3_600.0  # after a jump of the clock nothing is removed

# Takes the key when it is free, prolongs it when it is ours; says whether it is ours. One that lasts for longer than a
# term, or for ever, is of a clock that was ahead, or nobody's.
ACQUIRE_SCRIPT = """
local holder = redis.call('GET', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if holder and holder ~= ARGV[1] and left >= 0 and left <= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
RELEASE_SCRIPT = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

log = structlog.get_logger()


async def run_housekeeping(settings: Settings) -> None:
    """Keep house as long as the process lives; gives the office back when it is cancelled.

    settings  `db` and `queue` were started with it
    """
    token, keep = f"{settings.service_name}:{uuid4()}", RetentionPeriods(audit_days=settings.audit_days)
    try:
        while True:
            await _run_round(token, keep)
            await asyncio.sleep(INTERVAL_S)
    finally:
        await _release_leadership(token)


async def _run_round(token: str, keep: RetentionPeriods | None = None) -> None:
    """One round; what the world refuses now is done in the next one."""
    try:
        if await hold_leadership(token) and not _clock_jumped_lately():
            await run_once(time.time_ns() // 1_000_000, keep)
    except (RedisError, *db.TRANSIENT_ERRORS) as error:
        log.warning("housekeeping.put_off", reason=str(error))
    except Exception:  # a bug in here must not take the schedule with it
        log.exception("housekeeping.failed")


def _clock_jumped_lately() -> bool:
    """Whether a clock jumped lately: what it says is too old may be all there is."""
    jumped_s = clock_watch.watch.jumped_s
    in_doubt = jumped_s is not None and time.monotonic() - jumped_s < JUMP_PAUSE_S
    if in_doubt:
        log.info("housekeeping.waiting", reason="the clock jumped")
    return in_doubt


async def hold_leadership(token: str, lease_ms: int = LEASE_MS) -> bool:
    """Whether `token` holds the office; takes it when nobody does."""
    return bool(await queue.client().eval(ACQUIRE_SCRIPT, 1, LEADER_KEY, token, lease_ms))


async def _release_leadership(token: str) -> None:
    try:
        await queue.client().eval(RELEASE_SCRIPT, 1, LEADER_KEY, token)
    except RedisError as error:
        log.warning("housekeeping.put_off", reason=str(error))  # the term ends by itself


async def run_once(now_ms: int, keep: RetentionPeriods | None = None) -> None:
    """One round of work, as of an instant."""
    began, keep = time.perf_counter(), keep or RetentionPeriods()
    hours = await rollups.advance(now_ms)
    pruned = await retention.prune(now_ms, keep) if hours else 0
    forgotten = await retention.purge_deleted_monitors(now_ms)
    await login_failures.delete_expired(now_ms)
    await idempotency.delete_expired(now_ms)
    await webhooks.drop_previous_secrets(now_ms)
    await secret_rotation.encrypt_push_tokens()
    pruned += await chain.delete_before(now_ms - keep.audit_days * DAY_MS)
    if hours or forgotten:
        took_ms = round((time.perf_counter() - began) * 1_000)
        log.info("housekeeping.done", hours=hours, rows_pruned=pruned, series_forgotten=forgotten, took_ms=took_ms)
