"""Our Redis keys with their types. A key of another type is foreign and would make every command fail."""

from collections.abc import Iterable

from app import fetched_jobs, interruptions, metrics, nodes, queue, self_checks
from app.due_set import PARTITIONS
from app.live import channels, replay_buffer
from schema.jobs import PUSHED_KEY, STARTED_KEY

# The due set: rebuilt from the database when any of these is damaged.
DUE_SET_TYPES: dict[str, str] = {
    **{f"wk:due:{part}": "zset" for part in range(PARTITIONS)},
    "wk:plan": "hash",
    "wk:ahead": "hash",
    "wk:held": "hash",
    "wk:slot": "hash",
    "wk:flight": "zset",
    "wk:gaps": "hash",
    "wk:stale_at": "zset",
    "wk:built": "string",
}
_QUEUE_NAMES = sorted(set(queue.QUEUES.values()))
_OTHER_TYPES: dict[str, str] = {
    "wk:waiting": "hash",
    "wk:results": "hash",
    "wk:lost": "string",
    self_checks.KEY: "string",
    "wk:wake:schedule": "list",
    PUSHED_KEY: "hash",
    STARTED_KEY: "hash",
    "wk:cutoff": "hash",
    "wk:lifesign": "string",
    "wk:leader": "string",
    "wk:cache:edition": "string",
    metrics.KEY: "hash",
    interruptions.KEY: "hash",
    replay_buffer.COUNTERS: "hash",
    **{replay_buffer.stream_key(source): "stream" for source in channels.SOURCES},
    fetched_jobs.HEARTBEATS_KEY: "zset",
}
_QUEUE_TYPES: dict[str, str] = {
    key: type_
    for name in _QUEUE_NAMES
    for key, type_ in (
        (queue.wake_key(name), "list"),
        (f"{queue.NAMESPACE}:{name}", "list"),
        (f"{queue.NAMESPACE}:{name}.msgs", "hash"),
        (f"{queue.NAMESPACE}:{name}.DQ", "list"),
        (f"{queue.NAMESPACE}:{name}.DQ.msgs", "hash"),
        (f"{queue.NAMESPACE}:{name}.XQ", "zset"),
        (f"{queue.NAMESPACE}:{name}.XQ.msgs", "hash"),
    )
}
KEY_TYPES: dict[str, str] = {**DUE_SET_TYPES, **_OTHER_TYPES, **_QUEUE_TYPES}
PREFIX_TYPES: dict[str, str] = {  # keys with an id at the end; found by a scan of all keys, so checked less often
    nodes.KEY: "string",
    "wk:runs:": "zset",
    "wk:rate:": "hash",
    "wk:reply:": "list",
    f"{queue.NAMESPACE}:__acks__.": "set",
}
PAGE_SIZE = 500


async def remove_mistyped() -> list[str]:
    """Remove keys of a wrong type; returns their names. Raises RedisError.

    If one was part of the due set, the next claim reports the set as missing.
    """
    mistyped = await _find_mistyped(KEY_TYPES)
    if mistyped:
        keys = [*mistyped, *(["wk:built"] if DUE_SET_TYPES.keys() & set(mistyped) else [])]
        await queue.client().delete(*keys)
    return mistyped


async def remove_mistyped_by_prefix() -> list[str]:
    """The same for keys with a prefix."""
    removed: list[str] = []
    for prefix, type_ in PREFIX_TYPES.items():
        names = [key.decode() async for key in queue.client().scan_iter(match=f"{prefix}*", count=PAGE_SIZE)]
        for start in range(0, len(names), PAGE_SIZE):
            removed += await _find_mistyped(dict.fromkeys(names[start : start + PAGE_SIZE], type_))
    if removed:
        await queue.client().delete(*removed)
    return removed


async def _find_mistyped(types: dict[str, str]) -> list[str]:
    async with queue.client().pipeline(transaction=False) as pipe:
        for key in types:
            pipe.type(key)
        found: Iterable[bytes] = await pipe.execute()
    pairs = zip(types.items(), found, strict=True)
    return [key for (key, type_), actual in pairs if actual.decode() not in (type_, "none")]
