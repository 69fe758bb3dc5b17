"""Runs of jobs that report: when each began, by the id its job gave it. What measures how long a run took.

Kept on Redis for convenience, not for the record: without it a report has no duration, and nothing else is missing.
"""

import structlog
from redis.exceptions import RedisError

from app import queue

MAX_RUNS = 100  # runs of one monitor that may be on their way; beyond that the oldest is forgotten
RUN_TTL_S = 31 * 86_400

log = structlog.get_logger()


def _key(series: int) -> str:
    return f"wk:runs:{series}"


async def record_start(series: int, run_id: str, at_ms: int) -> None:
    """Note that a run began. A second start of the same run counts from then."""
    try:
        async with queue.client().pipeline(transaction=False) as pipe:
            pipe.zadd(_key(series), {run_id: at_ms})
            pipe.zremrangebyrank(_key(series), 0, -MAX_RUNS - 1)
            pipe.expire(_key(series), RUN_TTL_S)
            await pipe.execute()
    except (RedisError, OSError) as error:
        log.warning("push.run_not_noted", error=type(error).__name__)


async def started_ms(series: int, run_id: str) -> int | None:
    """When a run began, epoch milliseconds; None when nobody knows."""
    try:
        score = await queue.client().zscore(_key(series), run_id)
    except (RedisError, OSError) as error:
        log.warning("push.run_not_found", error=type(error).__name__)
        return None
    return None if score is None else int(score)
