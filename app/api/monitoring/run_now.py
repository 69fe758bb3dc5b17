"""Checks on demand: workers run them while the request waits."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import uuid4

import msgspec
from redis.exceptions import RedisError

from app import db, due_set, queue, tasks
from app.errors import Invalid, Refusal, Unavailable
from app.security.secrets import sealing
from app.store.history import heartbeats
from app.store.monitoring import series
from schema.heartbeats import Heartbeat
from schema.jobs import AdHocProbe, CheckOutcome
from schema.proxies import ProxyConfig
from schema.targets import Target

OVERHEAD_S = 15.0  # added to the check's own timeout, for queueing, storing and the response
MAX_WORKERS = 20  # concurrent checks of one batch: each holds a connection to Redis while it waits
TIMED_OUT = "timed out"
UNAVAILABLE = "The queue or the database is not responding."

T = TypeVar("T")


async def check_monitor(monitor_id: str) -> Heartbeat:
    """Check a monitor now, through the ordinary pipeline. Raises NoSuch, Unavailable."""
    schedule = await series.schedule_of(monitor_id)
    at_ms = await due_set.check_now(schedule.series, schedule.version, schedule.timeout_ms / 1000 + OVERHEAD_S)
    heartbeat = await heartbeats.get(schedule.series, at_ms)
    if heartbeat is None:
        raise Unavailable("The check ran, but its result could not be stored.")
    return heartbeat


async def check_target(target: Target, timeout_s: float, proxy: ProxyConfig | None) -> CheckOutcome:
    """Check a target without a monitor, and store nothing. Raises Unavailable."""
    token, type_ = uuid4().hex, str(target.__struct_config__.tag)
    encrypted_target, encrypted_proxy = sealing.encrypt_secrets(target), sealing.encrypt_secrets(proxy) if proxy else ""
    await queue.put(AdHocProbe(type_, encrypted_target, max(1, round(timeout_s * 1000)), token, encrypted_proxy))
    reply = await queue.wait_for_reply(token, timeout_s + OVERHEAD_S)
    if reply is None:
        raise Unavailable("No worker ran the check in time.")
    return msgspec.json.decode(reply, type=CheckOutcome)


async def run_concurrently(
    jobs: Sequence[Callable[[], Awaitable[T]]], max_workers: int, timeout_s: float
) -> list[T | str]:
    """Run jobs concurrently. Returns, in their order, each job's result or a sentence that explains why it has none.

    max_workers  clamped to 1 … `MAX_WORKERS`
    timeout_s    for all jobs together; those that finish in time keep their results
    """
    slots = asyncio.Semaphore(max(1, min(max_workers, MAX_WORKERS)))
    running = [asyncio.create_task(_run_or_explain(job, slots)) for job in jobs]
    try:
        await asyncio.wait(running, timeout=timeout_s)
        return [task.result() if task.done() else TIMED_OUT for task in running]
    finally:
        await tasks.cancel(*running)


async def _run_or_explain(job: Callable[[], Awaitable[T]], slots: asyncio.Semaphore) -> T | str:
    try:
        async with slots:
            return await job()
    except Invalid as refusal:
        return "; ".join(f"{one.field} {one.message}" for one in refusal.fields)
    except Refusal as refusal:
        return refusal.message
    except (RedisError, *db.TRANSIENT_ERRORS):
        return UNAVAILABLE
