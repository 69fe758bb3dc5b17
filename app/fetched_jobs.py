"""Jobs that workers have fetched and not finished, as Dramatiq's Redis broker stores them.

For each worker and queue there is a set of ids, `wk:q:__acks__.<worker>.<queue>`; `wk:q:__heartbeats__` has the time of
each worker's last command. Dramatiq itself requeues the jobs of a worker without a command for some seconds.
"""

from uuid import uuid4

from app import queue

HEARTBEATS_KEY = f"{queue.NAMESPACE}:__heartbeats__"

# KEYS: the heartbeats, then for each queue the fetched ids, the bodies, the queue and its wake list.
# ARGV: the worker, and how many tokens a wake list holds. Returns how many jobs it requeued.
# Like Dramatiq it appends them: a job that kills its worker must not come before all the others again and again.
REQUEUE_SCRIPT = """
local n = 0
for i = 2, #KEYS, 4 do
    for _, id in ipairs(redis.call('SMEMBERS', KEYS[i])) do
        if redis.call('HEXISTS', KEYS[i + 1], id) == 1 then
            redis.call('RPUSH', KEYS[i + 2], id)
            redis.call('RPUSH', KEYS[i + 3], 1)
            n = n + 1
        end
    end
    redis.call('DEL', KEYS[i])
    redis.call('LTRIM', KEYS[i + 3], -ARGV[2], -1)
end
redis.call('ZREM', KEYS[1], ARGV[1])
return n
"""
_NAMES = [name + suffix for name in sorted(set(queue.QUEUES.values())) for suffix in ("", ".DQ")]  # .DQ: delayed jobs


def worker_id(process: str) -> str:
    """A new id for a worker, which names its process.

    process  the identity of the process; empty when it is not known
    """
    return f"{process}/{uuid4()}"


def process_of(worker: str) -> str:
    """The identity of a worker's process; empty when its id names none."""
    return worker.rpartition("/")[0]


async def list_workers() -> dict[str, int]:
    """Worker → the time of its last command, in epoch milliseconds by its clock. Raises RedisError."""
    found = await queue.client().zrange(HEARTBEATS_KEY, 0, -1, withscores=True)
    return {worker.decode(errors="replace"): int(at_ms) for worker, at_ms in found}


async def requeue(worker: str) -> int:
    """Put a worker's fetched jobs back into their queues, and remove the worker. Returns how many."""
    keys = [
        key
        for name in _NAMES
        for key in (
            f"{queue.NAMESPACE}:__acks__.{worker}.{name}",
            f"{queue.NAMESPACE}:{name}.msgs",
            f"{queue.NAMESPACE}:{name}",
            queue.wake_key(name),
        )
    ]
    arguments = [HEARTBEATS_KEY, *keys, worker, queue.MAX_WAKE_TOKENS]
    return int(await queue.client().eval(REQUEUE_SCRIPT, len(keys) + 1, *arguments))
