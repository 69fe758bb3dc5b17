"""This process's Redis client, and enqueueing jobs for Dramatiq without blocking the event loop.

Messages have the layout of Dramatiq's broker (a hash of bodies and a list of ids per queue). A wake list per queue lets
a waiting consumer start at once instead of at its next poll.
"""

from collections.abc import Sequence
from time import monotonic, time
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from app import clock
from app.settings import Settings
from schema.jobs import AdHocProbe, CheckBatch, CheckOutcome, Job, NotifyBatch, ResultBatch, Slot, reply_key

NAMESPACE = "wk:q"
QUEUES: dict[type[Job], str] = {CheckBatch: "check", ResultBatch: "ingest", NotifyBatch: "notify", AdHocProbe: "check"}
ACTORS = {**QUEUES, AdHocProbe: "probe"}  # the actor for each job
SLOTS_PER_JOB = 100  # in one check job
OUTCOMES_PER_JOB = 500  # in one ingest job
DELIVERIES_PER_JOB = 500  # in one notify job
POLL_S = 5.0  # of one blocking read: shorter than the client's socket timeout
MAX_WAKE_TOKENS = 16  # more than there can be waiting consumers, and little memory

T = TypeVar("T")
Client = Any  # redis.asyncio.Redis: its stubs describe the replies of all modes at once

_client: Client | None = None
_encoder = msgspec.json.Encoder()


def connect(settings: Settings) -> Client:
    """A client with timeouts for everything: a stuck Redis must never hang a process."""
    return Redis.from_url(
        settings.redis_url,
        socket_timeout=10,
        socket_connect_timeout=3,
        health_check_interval=30,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), retries=2),
        client_name="watchkeeper",
        driver_info=None,  # to name its version, each connection would read the package metadata: 1 ms on the loop
        **({} if settings.redis_url.startswith("unix") else {"socket_keepalive": True}),
    )


async def start(settings: Settings) -> None:
    """Create this process's client. It connects at first use, so that processes start without Redis."""
    global _client  # noqa: PLW0603  # one client per process
    _client = connect(settings)


async def stop() -> None:
    """Close the client's connections."""
    await client().aclose()


def client() -> Client:
    """This process's client; call `start` first."""
    if _client is None:
        raise RuntimeError("queue.start(settings) was not called")
    return _client


def wake_key(queue: str) -> str:
    """The list that a queue's idle consumers wait on."""
    return f"{NAMESPACE}:wake:{queue}"


def encode_message(job: Job) -> tuple[str, str, bytes]:
    """(queue, id, body) as Dramatiq's RedisBroker writes them."""
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
    """Enqueue jobs, all or none, in one round trip. Raises redis.RedisError when Redis is away."""
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
    """Wait for the reply to a token; None after the timeout."""
    deadline = monotonic() + timeout_s
    while (remaining_s := deadline - monotonic()) > 0:
        found = await client().blpop([reply_key(token)], timeout=min(remaining_s, POLL_S))
        if found is not None:
            return bytes(found[1])
    return None


def check_jobs(slots: Sequence[Slot]) -> list[CheckBatch]:
    """Jobs of at most `SLOTS_PER_JOB` slots."""
    return [CheckBatch(chunk) for chunk in _chunks(slots, SLOTS_PER_JOB)]


def result_jobs(outcomes: Sequence[CheckOutcome]) -> list[ResultBatch]:
    """Jobs of at most `OUTCOMES_PER_JOB` outcomes."""
    return [ResultBatch(chunk) for chunk in _chunks(outcomes, OUTCOMES_PER_JOB)]


def notify_jobs(deliveries: dict[str, list[str]]) -> list[NotifyBatch]:
    """Jobs of at most `DELIVERIES_PER_JOB` deliveries, of all channels together: each job has a price of its own.

    deliveries  ids by channel
    """
    jobs, room = list[NotifyBatch](), 0
    for channel_id, id_ in ((channel_id, id_) for channel_id, ids in deliveries.items() for id_ in ids):
        if not room:
            jobs.append(NotifyBatch({}))
            room = DELIVERIES_PER_JOB
        jobs[-1].deliveries.setdefault(channel_id, []).append(id_)
        room -= 1
    return jobs


async def depth(queue: str) -> int:
    """The number of waiting messages of a queue."""
    return int(await client().llen(f"{NAMESPACE}:{queue}"))


async def oldest_age_s(queue: str) -> float:
    """Seconds since the oldest waiting message was enqueued, which shows a backlog; 0 for an empty queue."""
    oldest = await client().lindex(f"{NAMESPACE}:{queue}", 0)
    body = oldest and await client().hget(f"{NAMESPACE}:{queue}.msgs", oldest)
    if not body:
        return 0.0
    return max(0.0, time() - int(msgspec.json.decode(body)["message_timestamp"]) / 1000)


def _chunks(items: Sequence[T], size: int) -> list[list[T]]:
    return [list(items[start : start + size]) for start in range(0, len(items), size)]
