"""Checks that are run because somebody asked: by workers, while the request waits."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import uuid4

import msgspec
from redis.exceptions import RedisError

from app import db, due_set, queue
from app.errors import Invalid, Refusal, Unavailable
from app.security.secrets import sealing
from app.store.history import heartbeats
from app.store.monitoring import series
from schema.heartbeats import Heartbeat
from schema.jobs import AdHocProbe, CheckOutcome
from schema.proxies import ProxyConfig
from schema.targets import Target

OVERHEAD_S = 15.0  # beyond the check's own timeout: to be picked up, stored and answered
MAX_WORKERS = 20  # of one batch: each holds a connection to Redis while it waits
TIMED_OUT = "timed out"
UNAVAILABLE = "The queue or the database does not answer."

T = TypeVar("T")


async def check_monitor(monitor_id: str) -> Heartbeat:
    """Check a monitor now, through the ordinary pipeline. Raises NoSuch, Unavailable."""
    plan = await series.schedule_of(monitor_id)
    at_ms = await due_set.check_now(plan.series, plan.version, plan.timeout_ms / 1000 + OVERHEAD_S)
    heartbeat = await heartbeats.get(plan.series, at_ms)
    if heartbeat is None:
        raise Unavailable("The check was made, and could not be stored.")
    return heartbeat


async def check_target(target: Target, timeout_s: float, proxy: ProxyConfig | None) -> CheckOutcome:
    """Have a worker look at a target that is no monitor's. Nothing is stored. Raises Unavailable."""
    token, type_ = uuid4().hex, str(target.__struct_config__.tag)
    shut = sealing.encrypt_secrets(proxy) if proxy else ""
    await queue.put(AdHocProbe(type_, sealing.encrypt_secrets(target), max(1, round(timeout_s * 1000)), token, shut))
    answer = await queue.wait_for_reply(token, timeout_s + OVERHEAD_S)
    if answer is None:
        raise Unavailable("No worker has run it in time.")
    return msgspec.json.decode(answer, type=CheckOutcome)


async def run_concurrently(
    jobs: Sequence[Callable[[], Awaitable[T]]], max_workers: int, timeout_s: float
) -> list[T | str]:
    """What each run came to, in the order they were given: its result, or a sentence saying why there is none.

    workers    how many at once, brought into 1 to `WORKERS_MOST`
    within_s   for all of them; what has finished by then is kept
    """
    room = asyncio.Semaphore(max(1, min(max_workers, MAX_WORKERS)))
    tasks = [asyncio.create_task(_run_or_explain(job, room)) for job in jobs]
    try:
        await asyncio.wait(tasks, timeout=timeout_s)
        return [task.result() if task.done() else TIMED_OUT for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _run_or_explain(job: Callable[[], Awaitable[T]], room: asyncio.Semaphore) -> T | str:
    try:
        async with room:
            return await job()
    except Invalid as refused:
        return "; ".join(f"{one.field} {one.message}" for one in refused.fields)
    except Refusal as refused:
        return refused.message
    except (RedisError, *db.TRANSIENT_ERRORS):
        return UNAVAILABLE
