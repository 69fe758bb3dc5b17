"""Start times of job runs by run id, from which the duration of a run is measured.

Stored in Redis only: without them reports have no duration, and nothing else is affected.
"""

import structlog
from redis.exceptions import RedisError

from app import queue

MAX_RUNS = 100  # unfinished runs of one monitor; beyond that the oldest is dropped
RUN_TTL_S = 31 * 86_400

log = structlog.get_logger()


def _key(series: int) -> str:
    return f"wk:runs:{series}"


async def record_start(series: int, run_id: str, at_ms: int) -> None:
    """Record the start of a run; a second start of the same run replaces it."""
    try:
        async with queue.client().pipeline(transaction=False) as pipe:
            pipe.zadd(_key(series), {run_id: at_ms})
            pipe.zremrangebyrank(_key(series), 0, -MAX_RUNS - 1)
            pipe.expire(_key(series), RUN_TTL_S)
            await pipe.execute()
    except (RedisError, OSError) as error:
        log.warning("push.run_save_failed", error=type(error).__name__)


async def started_ms(series: int, run_id: str) -> int | None:
    """When a run started, in epoch milliseconds; None when it is unknown."""
    try:
        score = await queue.client().zscore(_key(series), run_id)
    except (RedisError, OSError) as error:
        log.warning("push.run_read_failed", error=type(error).__name__)
        return None
    return None if score is None else int(score)
