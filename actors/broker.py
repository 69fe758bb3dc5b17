"""Dramatiq's Redis broker with measured settings, and a consumer that is woken instead of polling.

Dramatiq's own Redis consumer sleeps up to a second between empty fetches; ours blocks on the queue's wake list.
It depends on one private class; `tests/actors/test_broker.py` fails when Dramatiq changes that class.
"""

import threading
from time import monotonic
from typing import Any

import dramatiq.worker
import redis
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import ConnectionClosed
from dramatiq.middleware import AgeLimit, AsyncIO, Middleware, Retries, ShutdownNotifications, TimeLimit

from app import fetched_jobs, process_watch
from app.queue import NAMESPACE, wake_key
from app.settings import Settings

WAKE_TIMEOUT_S = 1  # how long an idle consumer blocks; a delayed retry may start this late
# A worker silent for so long is dead, its jobs are requeued; an idle one beats every second. Where its process is known
# to have ended, `actors.takeover` does not wait.
HEARTBEAT_TIMEOUT_MS = 6_000
MAINTENANCE_INTERVAL_S = 2.0  # how often each consumer looks for dead workers; Dramatiq does it at random
CONSUMER_RESTART_S = 0.5  # after Redis was lost; Dramatiq's default of 3 s is most of a short check interval
DEAD_MESSAGE_TTL_MS = 86_400_000


class WakingConsumer(_RedisConsumer):
    """Fetches jobs; when the queue is empty, blocks until `queue.put` pushes a wake token."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)  # type: ignore[no-untyped-call]  # Dramatiq's consumers carry no types
        self._freed = threading.Event()

    def __next__(self) -> Any:
        try:
            self._freed.clear()
            if not self.message_cache and self.outstanding_message_count >= self.prefetch:
                self._freed.wait(WAKE_TIMEOUT_S)
                return None
            message = super().__next__()  # type: ignore[no-untyped-call]  # as above
            if message is None and self.outstanding_message_count < self.prefetch:
                self.broker.client.blpop([wake_key(self.queue_name)], timeout=WAKE_TIMEOUT_S)
        except (redis.ConnectionError, redis.TimeoutError) as error:  # Dramatiq handles only the first
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]  # as above
        return message

    def ack(self, message: Any) -> None:
        """Acknowledge a job; its place may be used again."""
        try:
            super().ack(message)  # type: ignore[no-untyped-call]  # as above
        finally:
            self._freed.set()

    def nack(self, message: Any) -> None:
        """Reject a job; its place may be used again."""
        try:
            super().nack(message)  # type: ignore[no-untyped-call]  # as above
        finally:
            self._freed.set()


class WakingBroker(RedisBroker):
    """A Redis broker whose consumers sleep one millisecond by themselves and block on the wake list instead."""

    _last_maintenance = threading.local()  # per consumer thread; `at_s`: when it last looked for dead workers

    @property
    def consumer_class(self) -> type[WakingConsumer]:
        """The class that reads the queues."""
        return WakingConsumer

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1) -> WakingConsumer:  # noqa: ARG002  # Dramatiq's signature
        """Create a consumer for a queue; it sleeps 1 ms, whatever timeout the worker asks for."""
        return self.consumer_class(self, queue_name, prefetch, 1)

    def _should_do_maintenance(self, command: str) -> int:
        """Look for dead workers at a fixed interval, not at random."""
        last_s = getattr(self._last_maintenance, "at_s", -MAINTENANCE_INTERVAL_S)
        if command != "fetch" or monotonic() - last_s < MAINTENANCE_INTERVAL_S:
            return 0
        self._last_maintenance.at_s = monotonic()
        return 1

    def enqueue(self, message: Any, *, delay: int | None = None) -> Any:
        """Enqueue as Dramatiq does (its own retries pass here too), then wake a waiting consumer."""
        queued = super().enqueue(message, delay=delay)
        self.client.rpush(wake_key(queued.queue_name), 1)
        self.client.ltrim(wake_key(queued.queue_name), -16, -1)
        return queued


def make_broker(settings: Settings, *resources: Middleware) -> WakingBroker:
    """Create a worker's broker. `resources` open what the actors need, on the loop that AsyncIO owns."""
    dramatiq.worker.CONSUMER_RESTART_DELAY_SECS = CONSUMER_RESTART_S  # read from the environment at import
    made = WakingBroker(  # type: ignore[no-untyped-call]  # as above
        client=redis.Redis.from_url(
            settings.redis_url,
            socket_timeout=10,  # longer than any wait, or a stuck Redis hangs every thread
            socket_connect_timeout=3,
            health_check_interval=30,
            client_name="watchkeeper.worker",
            driver_info=None,  # as in `app.queue`
        ),
        namespace=NAMESPACE,
        heartbeat_timeout=HEARTBEAT_TIMEOUT_MS,
        dead_message_ttl=DEAD_MESSAGE_TTL_MS,
        middleware=[
            ShutdownNotifications(notify_shutdown=False),
            AsyncIO(),
            *resources,
            Retries(min_backoff=500, max_backoff=10_000),
            AgeLimit(),
            TimeLimit(time_limit=120_000),
        ],
    )
    made.broker_id = fetched_jobs.worker_id(process_watch.own_identity())
    return made
