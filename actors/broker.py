"""Dramatiq's broker with the settings that were measured, and a consumer that is woken instead of polling.

Dramatiq's own Redis consumer sleeps between empty fetches, up to a second; ours waits on the queue's wake list.
It leans on one private class; `tests/actors/test_broker.py` fails when Dramatiq changes what it leans on.
"""

import threading
from time import monotonic
from typing import Any

import dramatiq.worker
import redis
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import ConnectionClosed
from dramatiq.middleware import AgeLimit, AsyncIO, Middleware, Retries, ShutdownNotifications, TimeLimit

from app.queue import NAMESPACE, wake_key
from app.settings import Settings

WAKE_TIMEOUT_S = 1  # how long an idle consumer waits for a token; also how late a delayed retry may start
HEARTBEAT_TIMEOUT_MS = (
    6_000  # a worker that is silent for this long is dead: its jobs go back; an idle one speaks every second
)
MAINTENANCE_INTERVAL_S = (
    2.0  # how often each consumer looks for dead workers; Dramatiq itself throws dice at every command
)
CONSUMER_RESTART_S = 0.5  # after Redis went away; Dramatiq's own three seconds are most of a short interval
DEAD_MESSAGE_TTL_MS = 86_400_000


class WakingConsumer(_RedisConsumer):
    """Fetches, and when there is nothing waits until `queue.put` leaves a token."""

    def __next__(self) -> Any:
        try:
            message = super().__next__()  # type: ignore[no-untyped-call]  # Dramatiq's consumers carry no types
            if message is None and self.outstanding_message_count < self.prefetch:
                self.broker.client.blpop([wake_key(self.queue_name)], timeout=WAKE_TIMEOUT_S)
        except (redis.ConnectionError, redis.TimeoutError) as error:  # Dramatiq knows only the first of them
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]  # as above
        return message


class WakingBroker(RedisBroker):
    """Consumers get their own short timeout: what they sleep by themselves is a millisecond."""

    _last_maintenance = threading.local()  # a consumer is a thread; `at_s`: when it last looked for dead workers

    @property
    def consumer_class(self) -> type[WakingConsumer]:
        """Which consumer reads the queues."""
        return WakingConsumer

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1) -> WakingConsumer:  # noqa: ARG002  # Dramatiq's signature
        """A consumer for a queue; its own sleep is a millisecond, whatever the worker would like."""
        return self.consumer_class(self, queue_name, prefetch, 1)

    def _should_do_maintenance(self, command: str) -> int:
        """Look for dead workers in time, not by chance."""
        if (
            command != "fetch"
            or monotonic() - getattr(self._last_maintenance, "at_s", -MAINTENANCE_INTERVAL_S) < MAINTENANCE_INTERVAL_S
        ):
            return 0
        self._last_maintenance.at_s = monotonic()
        return 1

    def enqueue(self, message: Any, *, delay: int | None = None) -> Any:
        """Enqueue as Dramatiq does (its own retries come this way), and wake who waits."""
        queued = super().enqueue(message, delay=delay)
        self.client.rpush(wake_key(queued.queue_name), 1)
        self.client.ltrim(wake_key(queued.queue_name), -16, -1)
        return queued


def make_broker(settings: Settings, *resources: Middleware) -> WakingBroker:
    """The broker of a worker. `resources` open what actors need, on the loop that AsyncIO owns."""
    dramatiq.worker.CONSUMER_RESTART_DELAY_SECS = (
        CONSUMER_RESTART_S  # read at import from the environment, which is not ours
    )
    return WakingBroker(  # type: ignore[no-untyped-call]  # as above
        client=redis.Redis.from_url(
            settings.redis_url,
            socket_timeout=10,  # longer than any wait, or a stuck Redis hangs every thread
            socket_connect_timeout=3,
            health_check_interval=30,
            client_name="watchkeeper.worker",
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
