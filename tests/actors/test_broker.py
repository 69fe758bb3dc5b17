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


def test_dramatiq_still_has_what_the_waking_consumer_leans_on(made):
    consumer = made.consume("check", prefetch=3, timeout=5_000)
    assert isinstance(consumer, broker.WakingConsumer)
    assert (consumer.timeout, consumer.prefetch, consumer.outstanding_message_count) == (1, 3, 0)


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
