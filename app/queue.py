"""The Redis of this process, and how jobs are put on Dramatiq's queues without blocking the loop.

Messages are written the way Dramatiq's broker lays them out (a hash of bodies and a list of ids per queue);
beside them a wake list per queue, so that a waiting consumer starts at once instead of at its next poll.
"""

from time import monotonic, time
from typing import Any
from uuid import uuid4

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from app import clock
from app.settings import Settings
from schema.jobs import AdHocProbe, CheckBatch, Job, NotifyBatch, ResultBatch, reply_key

NAMESPACE = "wk:q"
QUEUES: dict[type[Job], str] = {CheckBatch: "check", ResultBatch: "ingest", NotifyBatch: "notify", AdHocProbe: "check"}
ACTORS = {**QUEUES, AdHocProbe: "probe"}  # which actor takes it from there
DELIVERIES_PER_JOB = 50  # deliveries in one notify job
POLL_S = 5.0  # of one look for a reply: shorter than the client's patience with a silent socket
MAX_WAKE_TOKENS = 16  # tokens: more than consumers that could be asleep, few enough to forget

Client = Any  # redis.asyncio.Redis: its stubs describe replies of all modes at once, bytes never alone

_client: Client | None = None
_encoder = msgspec.json.Encoder()


def connect(settings: Settings) -> Client:
    """A client with limits on everything: a stuck Redis must never hang a process."""
    return Redis.from_url(
        settings.redis_url,
        socket_timeout=10,
        socket_connect_timeout=3,
        health_check_interval=30,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), retries=2),
        client_name="watchkeeper",
        **({} if settings.redis_url.startswith("unix") else {"socket_keepalive": True}),
    )


async def start(settings: Settings) -> None:
    """Make this process's client. Connects at first use, so that nothing needs Redis to start."""
    global _client  # noqa: PLW0603  # one client per process
    _client = connect(settings)


async def stop() -> None:
    """Close the client's connections."""
    await client().aclose()


def client() -> Client:
    """This process's client; `start` comes first."""
    if _client is None:
        raise RuntimeError("queue.start(settings) was not called")
    return _client


def wake_key(queue: str) -> str:
    """The list a queue's idle consumers wait on."""
    return f"{NAMESPACE}:wake:{queue}"


def encode_message(job: Job) -> tuple[str, str, bytes]:
    """(queue, id, body) as Dramatiq's RedisBroker would have written them."""
    queue, id_ = QUEUES[type(job)], str(uuid4())
    body = {
        "queue_name": queue,
        "actor_name": ACTORS[type(job)],
        "args": (),
        "kwargs": job,
        "options": {"redis_message_id": id_},
        "message_id": id_,
        "message_timestamp": clock.now_ms(),
    }
    return queue, id_, _encoder.encode(body)


async def put(*jobs: Job) -> None:
    """Put jobs on their queues, all or none, in one round trip. Raises redis.RedisError when Redis is away."""
    if not jobs:
        return
    async with client().pipeline(transaction=True) as pipe:
        for queue, id_, body in map(encode_message, jobs):
            pipe.hset(f"{NAMESPACE}:{queue}.msgs", id_, body)
            pipe.rpush(f"{NAMESPACE}:{queue}", id_)
            pipe.rpush(wake_key(queue), 1)
            pipe.ltrim(wake_key(queue), -MAX_WAKE_TOKENS, -1)
        await pipe.execute()


async def wait_for_reply(token: str, timeout_s: float) -> bytes | None:
    """What was answered to whoever has this token; None when nothing was, in time."""
    until = monotonic() + timeout_s
    while (left_s := until - monotonic()) > 0:
        found = await client().blpop([reply_key(token)], timeout=min(left_s, POLL_S))
        if found is not None:
            return bytes(found[1])
    return None


def notify_jobs(deliveries: dict[str, list[str]]) -> list[NotifyBatch]:
    """Jobs of at most `PER_JOB` deliveries, each for one channel."""
    return [
        NotifyBatch(channel_id, ids[start : start + DELIVERIES_PER_JOB])
        for channel_id, ids in deliveries.items()
        for start in range(0, len(ids), DELIVERIES_PER_JOB)
    ]


async def depth(queue: str) -> int:
    """Messages that wait on a queue."""
    return int(await client().llen(f"{NAMESPACE}:{queue}"))


async def oldest_age_s(queue: str) -> float:
    """Seconds since the oldest waiting message was put; 0 for an empty queue. The number that says "falling behind"."""
    oldest = await client().lindex(f"{NAMESPACE}:{queue}", 0)
    body = oldest and await client().hget(f"{NAMESPACE}:{queue}.msgs", oldest)
    if not body:
        return 0.0
    return max(0.0, time() - int(msgspec.json.decode(body)["message_timestamp"]) / 1000)
