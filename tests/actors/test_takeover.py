"""What a worker leaves is taken over as soon as its process has ended, and never before."""

import asyncio
import dataclasses
from collections.abc import Callable, Iterator

import dramatiq
import msgspec
import pytest
from prometheus_client import REGISTRY

from actors import broker
from actors.broker import WakingBroker
from actors.takeover import SILENT_MS, Takeover
from app import clock, db, fetched_jobs, process_watch, queue as queues, tasks
from app.security.secrets import sealing
from app.store.alerting import delivery_claims, delivery_queue
from schema.jobs import CheckBatch, NotifyBatch, ResultBatch
from tests import make
from tests.actors.queued_jobs import jobs_of
from tests.app.store.channel_setup import channel_setup
from tests.naps import Nap, napping

JOB = CheckBatch([make.slot()])
Worker = Callable[[Nap], WakingBroker]


@pytest.fixture
def nap() -> Iterator[Nap]:
    with napping() as process:
        yield process


@pytest.fixture
def worker(settings) -> Iterator[Worker]:
    """Makes a worker's broker, as a process would that only sleeps."""
    made: list[WakingBroker] = []

    def make_worker(nap: Nap) -> WakingBroker:
        one = broker.make_broker(settings)
        one.broker_id = fetched_jobs.worker_id(nap.identity)
        made.append(one)
        return one

    yield make_worker
    for one in made:
        one.close()


@pytest.fixture
async def takeover(store, queue):
    sealing.prepare(store)
    takeover = Takeover()
    await takeover.run_once()
    yield takeover
    takeover._processes.close()


async def fetch(worker: WakingBroker, name: str = "check") -> dramatiq.MessageProxy:
    """A job that the worker has fetched."""
    message = await asyncio.to_thread(next, worker.consume(name))
    assert message is not None
    return message


async def fell_silent(worker: WakingBroker) -> None:
    """Let its last command be some seconds ago."""
    await queues.client().zadd(fetched_jobs.HEARTBEATS_KEY, {worker.broker_id: clock.now_ms() - SILENT_MS})


async def claimed_delivery(process: str) -> tuple[str, str]:
    """(channel, id) of a delivery that this process is sending."""
    setup, now_ms = await channel_setup(), clock.now_ms()
    down = await setup.down(at_ms=now_ms - 10_000)
    assert len(await delivery_claims.claim([down], now_ms, process=process)) == 1
    return setup.channel_id, down


async def lease_lasts() -> bool:
    (row,) = await db.rows("SELECT lease_until_ms FROM deliveries")
    return row["lease_until_ms"] > clock.now_ms()


async def test_jobs_of_a_killed_worker_are_back_in_their_queues(takeover, worker: Worker, nap: Nap):
    killed = worker(nap)
    await queues.put(JOB, make.results(make.outcome()))
    await fetch(killed), await fetch(killed, "ingest")
    await takeover.run_once()
    assert await jobs_of(CheckBatch) == []
    nap.kill()
    await takeover.run_once()
    assert (await jobs_of(CheckBatch), len(await jobs_of(ResultBatch))) == ([JOB], 1)
    assert await fetched_jobs.list_workers() == {}


async def test_another_worker_gets_the_job_and_finishes_it(takeover, worker: Worker, nap: Nap):
    killed = worker(nap)
    await queues.put(JOB)
    await fetch(killed)
    await takeover.run_once()
    nap.kill(reap=True)
    await takeover.run_once()
    with napping() as other:
        consumer = worker(other).consume("check")
        message = await asyncio.to_thread(next, consumer)
        assert msgspec.convert(message.kwargs, CheckBatch) == JOB
        await asyncio.to_thread(consumer.ack, message)
    assert await queues.client().hlen(f"{queues.NAMESPACE}:check.msgs") == 0


async def test_a_delayed_job_of_a_killed_worker_keeps_its_time(takeover, worker: Worker, nap: Nap):
    killed, later_ms = worker(nap), 3_600_000
    message: dramatiq.Message[None] = dramatiq.Message(
        queue_name="ingest", actor_name="ingest", args=(), kwargs={}, options={}
    )
    queued = await asyncio.to_thread(lambda: killed.enqueue(message, delay=later_ms))
    fetched = await fetch(killed, "ingest.DQ")
    await takeover.run_once()
    nap.kill()
    await takeover.run_once()
    assert await queues.client().llen(f"{queues.NAMESPACE}:ingest.DQ") == 1
    with napping() as other:
        again = await fetch(worker(other), "ingest.DQ")
    assert again.options["eta"] == fetched.options["eta"] == queued.options["eta"]


async def test_a_job_that_was_acknowledged_is_not_requeued(takeover, worker: Worker, nap: Nap):
    killed = worker(nap)
    await queues.put(JOB)
    consumer = killed.consume("check")
    await asyncio.to_thread(consumer.ack, await asyncio.to_thread(next, consumer))
    await takeover.run_once()
    nap.kill()
    await takeover.run_once()
    assert await jobs_of(CheckBatch) == []


async def test_a_command_that_arrives_after_the_takeover_loses_no_job(takeover, worker: Worker, nap: Nap):
    killed = worker(nap)
    await queues.put(JOB)
    await fetch(killed)
    await takeover.run_once()
    nap.kill()
    await takeover.run_once()
    await fetch(killed)  # its last bytes were still on their way
    assert await jobs_of(CheckBatch) == []
    await takeover.run_once()
    assert await jobs_of(CheckBatch) == [JOB]


async def test_messages_that_a_killed_worker_was_sending_are_queued_again(takeover, worker: Worker, nap: Nap):
    killed = worker(nap)
    await queues.put(JOB)
    await fetch(killed)
    channel_id, down = await claimed_delivery(nap.identity)
    await takeover.run_once()
    assert await lease_lasts()
    nap.kill()
    await takeover.run_once()
    assert await jobs_of(NotifyBatch) == [NotifyBatch({channel_id: [down]})]
    assert await delivery_queue.due_deliveries(clock.now_ms()) == {channel_id: [down]}


async def test_a_claim_that_is_committed_after_the_takeover_ends_as_well(takeover, worker: Worker, nap: Nap):
    killed = worker(nap)
    await queues.put(JOB)
    await fetch(killed)
    await takeover.run_once()
    nap.kill()
    await takeover.run_once()
    await claimed_delivery(nap.identity)
    await takeover.run_once()
    assert not await lease_lasts()


@pytest.mark.parametrize("silent", [False, True])
async def test_a_stopped_worker_keeps_what_it_has(takeover, worker: Worker, nap: Nap, *, silent: bool):
    stopped = worker(nap)
    await queues.put(JOB)
    await fetch(stopped)
    await claimed_delivery(nap.identity)
    await takeover.run_once()
    nap.stop()
    if silent:
        await fell_silent(stopped)
    await takeover.run_once()
    assert await lease_lasts()
    assert await jobs_of(CheckBatch) == []
    assert list(await fetched_jobs.list_workers()) == [stopped.broker_id]


async def test_a_slow_worker_beside_a_killed_one_keeps_what_it_has(takeover, worker: Worker, nap: Nap):
    with napping() as slow:
        await queues.put(JOB, JOB)
        await fetch(worker(slow)), await fetch(worker(nap))
        await takeover.run_once()
        nap.kill()
        await takeover.run_once()
        assert [fetched_jobs.process_of(one) for one in await fetched_jobs.list_workers()] == [slow.identity]
    assert await jobs_of(CheckBatch) == [JOB]


async def test_a_worker_that_ended_before_anybody_watched_it_is_taken_over_when_it_is_silent(
    store, queue, worker: Worker, nap: Nap
):
    sealing.prepare(store)
    killed = worker(nap)
    await queues.put(JOB)
    await fetch(killed)
    await claimed_delivery(nap.identity)
    nap.kill()
    takeover = Takeover()
    await takeover.run_once()
    assert (await jobs_of(CheckBatch), await lease_lasts()) == ([], True)
    await fell_silent(killed)
    await takeover.run_once()
    assert (await jobs_of(CheckBatch), await lease_lasts()) == ([JOB], False)


async def test_leases_are_found_when_redis_has_forgotten_the_worker(store, queue, nap: Nap):
    sealing.prepare(store)
    await claimed_delivery(nap.identity)
    nap.kill()
    takeover = Takeover()
    await takeover.run_once()
    await takeover.run_once()
    assert not await lease_lasts()


@pytest.mark.parametrize("kind", ["another host", "another version"])
async def test_workers_elsewhere_and_of_earlier_versions_are_left_to_their_time(
    takeover, worker: Worker, nap: Nap, kind: str
):
    other = worker(nap)
    host, rest = nap.identity.split("-", 1)
    identity = f"{'0' * len(host)}-{rest}" if kind == "another host" else ""
    other.broker_id = fetched_jobs.worker_id(identity)
    await queues.put(JOB)
    await fetch(other)
    await claimed_delivery(identity)
    nap.kill(reap=True)
    await fell_silent(other)
    for _ in range(3):
        await takeover.run_once()
    assert (await jobs_of(CheckBatch), await lease_lasts()) == ([], True)


async def test_leases_end_while_redis_is_away_and_jobs_are_requeued_afterwards(
    takeover, settings, worker: Worker, nap: Nap
):
    killed = worker(nap)
    await queues.put(JOB)
    await fetch(killed)
    await claimed_delivery(nap.identity)
    await takeover.run_once()
    nap.kill()
    await queues.stop()
    await queues.start(dataclasses.replace(settings, redis_url="unix:///nowhere/valkey.sock"))
    await takeover.run_once()
    assert not await lease_lasts()
    await queues.stop()
    await queues.start(settings)
    await takeover.run_once()
    assert await jobs_of(CheckBatch) == [JOB]


async def test_two_that_take_over_at_once_requeue_each_job_once(takeover, worker: Worker, nap: Nap):
    other, killed = Takeover(), worker(nap)
    await queues.put(JOB)
    await fetch(killed)
    await claimed_delivery(nap.identity)
    await asyncio.gather(takeover.run_once(), other.run_once())
    nap.kill()
    await asyncio.gather(takeover.run_once(), other.run_once())
    assert (await jobs_of(CheckBatch), len(await jobs_of(NotifyBatch))) == ([JOB], 1)
    other._processes.close()


async def test_a_takeover_that_runs_notices_an_end_by_itself_and_is_counted(takeover, worker: Worker, nap: Nap):
    before = [_count("job"), _count("delivery")]
    killed = worker(nap)
    await queues.put(JOB)
    await fetch(killed)
    await claimed_delivery(nap.identity)
    running = asyncio.create_task(takeover.run())
    while nap.identity not in takeover._processes._watched:
        await asyncio.sleep(0.02)
    nap.kill()
    while await lease_lasts():
        await asyncio.sleep(0.02)
    await tasks.cancel(running)
    assert [_count("job"), _count("delivery")] == [before[0] + 1, before[1] + 1]


def _count(kind: str) -> float:
    return REGISTRY.get_sample_value("watchkeeper_taken_over_total", {"kind": kind}) or 0.0


def test_a_workers_id_names_this_process_and_no_two_are_equal(settings):
    one, two = broker.make_broker(settings), broker.make_broker(settings)
    assert fetched_jobs.process_of(one.broker_id) == fetched_jobs.process_of(two.broker_id)
    assert fetched_jobs.process_of(one.broker_id) == process_watch.own_identity()
    assert one.broker_id != two.broker_id
    one.close()
    two.close()
