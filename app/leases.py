"""Leases in Redis: of several processes, one at a time holds a lease and does the work that it stands for."""

from app import queue

# Takes the lease when it is free, extends it when it is ours; returns 1 when we hold it. A lease that expires later
# than `lease_ms`, or never, was set by a fast clock or has no owner: it is taken over.
ACQUIRE_SCRIPT = """
local holder = redis.call('GET', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if holder and holder ~= ARGV[1] and left >= 0 and left <= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
RELEASE_SCRIPT = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


async def acquire(key: str, holder: str, lease_ms: int) -> bool:
    """Whether `holder` holds the lease; takes a free lease and extends its own. Raises RedisError."""
    return bool(await queue.client().eval(ACQUIRE_SCRIPT, 1, key, holder, lease_ms))


async def release(key: str, holder: str) -> None:
    """Release the lease if `holder` holds it. Raises RedisError."""
    await queue.client().eval(RELEASE_SCRIPT, 1, key, holder)
