"""The broker writes and reads what `queue.put` writes; these tests fail when Dramatiq changes its format."""

import asyncio
import threading

import dramatiq
import msgspec
import pytest

from actors import broker
from app import queue as queues
from schema.jobs import CheckBatch
from tests import make


@pytest.fixture
def made(settings):
    made = broker.make_broker(settings)
    yield made
    made.close()


@pytest.fixture
def working(made):
    """A running worker whose actor notes its jobs."""
    got, arrived = [], threading.Event()

    async def check(**job):
        got.append(msgspec.convert(job, CheckBatch))
        arrived.set()

    dramatiq.actor(broker=made, queue_name="check")(check)
    worker = dramatiq.Worker(made, worker_threads=2, worker_timeout=100)
    worker.start()
    yield got, arrived
    worker.stop(timeout=5_000)


async def test_a_job_that_was_put_reaches_its_actor(queue, working):
    got, arrived = working
    await queues.put(CheckBatch([make.slot()]))
    assert await _within(arrived)
    assert got == [CheckBatch([make.slot()])]


async def test_an_acknowledged_job_is_removed_from_redis(queue, working, made):
    _, arrived = working
    await queues.put(CheckBatch([make.slot()]))
    assert await _within(arrived)
    made.join("check", timeout=5_000)
    assert await queues.depth("check") == 0
    assert await queues.client().hlen(f"{queues.NAMESPACE}:check.msgs") == 0


async def test_a_waiting_job_has_an_age(queue):
    assert await queues.oldest_age_s("check") == 0
    await queues.put(CheckBatch([make.slot()]))
    assert await queues.depth("check") == 1
    assert await queues.oldest_age_s("check") >= 0


def test_one_job_has_the_deliveries_of_many_channels(monkeypatch):
    monkeypatch.setattr(queues, "DELIVERIES_PER_JOB", 3)
    jobs = queues.notify_jobs({"a": ["1", "2"], "b": ["3", "4"], "c": ["5"], "d": []})
    assert [job.deliveries for job in jobs] == [{"a": ["1", "2"], "b": ["3"]}, {"b": ["4"], "c": ["5"]}]
    assert queues.notify_jobs({}) == []


def test_dramatiq_still_has_what_the_waking_consumer_leans_on(made):
    consumer = made.consume("check", prefetch=3, timeout=5_000)
    assert isinstance(consumer, broker.WakingConsumer)
    assert (consumer.timeout, consumer.prefetch, consumer.outstanding_message_count) == (1, 3, 0)


class NoticedEvent(threading.Event):
    """An event that shows when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_awaited = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.is_awaited.set()
        return super().wait(timeout)


@pytest.mark.parametrize("end", ["ack", "nack"])
async def test_a_consumer_with_all_it_may_hold_sleeps_until_a_job_is_done(queue, made, monkeypatch, end):
    monkeypatch.setattr(broker, "WAKE_TIMEOUT_S", 60)
    for _ in range(2):
        await queues.put(CheckBatch([make.slot()]))
    consumer = made.consume("check", prefetch=1)
    consumer._freed = NoticedEvent()
    first = await asyncio.to_thread(next, consumer)
    waiting = asyncio.create_task(asyncio.to_thread(next, consumer))
    assert await _within(consumer._freed.is_awaited)
    getattr(consumer, end)(first)
    async with asyncio.timeout(20):
        assert await waiting is None
        assert await asyncio.to_thread(next, consumer) is not None


async def test_jobs_of_a_dead_worker_are_taken_over(queue, settings):
    dead, alive = broker.make_broker(settings), broker.make_broker(settings)
    for one in (dead, alive):
        one.heartbeat_timeout = 100
        one.declare_queue("check")
    await queues.put(CheckBatch([make.slot()]))
    assert await asyncio.to_thread(next, dead.consume("check", prefetch=1)) is not None
    consumer = alive.consume("check", prefetch=1)
    async with asyncio.timeout(20):
        while (message := await asyncio.to_thread(next, consumer)) is None:
            pass
    assert msgspec.convert(message.kwargs, CheckBatch) == CheckBatch([make.slot()])
    dead.close()
    alive.close()


def test_dramatiq_still_reads_its_restart_delay_where_we_set_it(made):
    assert dramatiq.worker.CONSUMER_RESTART_DELAY_SECS == broker.CONSUMER_RESTART_S
    assert "CONSUMER_RESTART_DELAY_SECS" in dramatiq.worker.ConsumerThread.run.__code__.co_names


async def _within(event: threading.Event) -> bool:
    return await asyncio.to_thread(event.wait, 10)
