"""Workers are killed and stopped as processes: the others take over at once what the killed ones leave."""

import asyncio
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from app import db, fetched_jobs, queue
from app.domain.system import process_identity
from app.store.alerting import lease_owners
from app.store.alerting.delivery_claims import LEASE_MS
from schema.status import Status
from tests.pipeline.target import watched
from tests.pipeline.test_pipeline import watch
from tests.pipeline.waiting import beats, until
from tests.receiver import Order, receiving

pytestmark = [pytest.mark.timeout(150)]

AT_ONCE_S = LEASE_MS / 1_000 - 15  # far less than a lease, and enough for a busy machine
Process = subprocess.Popen[bytes]


async def _workers() -> set[int]:
    """The pids of the workers that Redis knows."""
    found = map(process_identity.parse, map(fetched_jobs.process_of, await fetched_jobs.list_workers()))
    return {one.pid for one in found if one is not None}


async def started(*workers: Process) -> None:
    """Wait until these workers fetch jobs."""

    async def all_fetch() -> bool:
        return {one.pid for one in workers} <= await _workers()

    await until(all_fetch)


async def sender() -> int:
    """The pid of the worker that sends the only delivery."""
    (owner,) = await lease_owners.list_owners()
    process = process_identity.parse(owner)
    assert process is not None
    return process.pid


async def _all_sent() -> bool:
    found = await db.rows("SELECT state FROM deliveries")
    return bool(found) and {row["state"] for row in found} == {"sent"}


async def test_a_message_that_a_killed_worker_was_sending_is_sent_again_at_once(prepared_settings, spawn):
    async with watched() as target, receiving() as receiver:
        receiver.answer(Order(hang=True, times=1))
        target.well = False
        await watch(target.url, receiver)
        spawn("schedule")
        workers = spawn("work"), spawn("work")
        await started(*workers)
        await receiver.arrived(1, 60)
        os.kill(await sender(), signal.SIGKILL)
        first, again = await receiver.arrived(2, AT_ONCE_S)
        assert first.id == again.id
        await until(_all_sent)
    (row,) = await db.rows("SELECT attempts FROM deliveries")
    assert row["attempts"] == 2


async def test_the_worker_that_replaces_the_only_one_takes_over(prepared_settings, spawn):
    async with watched() as target, receiving() as receiver:
        receiver.answer(Order(hang=True, times=1))
        target.well = False
        await watch(target.url, receiver)
        spawn("schedule")
        worker = spawn("work")
        await receiver.arrived(1, 60)
        worker.kill()
        spawn("work")
        first, again = await receiver.arrived(2, AT_ONCE_S)
    assert first.id == again.id


async def test_a_stopped_worker_keeps_its_message_while_a_killed_ones_is_sent_again(prepared_settings, spawn):
    async with watched() as target, receiving() as slow, receiving() as receiver:
        for one in (slow, receiver):
            one.answer(Order(hang=True, times=1))
        target.well = False
        spawn("schedule")
        stopped = spawn("work")
        await started(stopped)
        await watch(target.url, slow)
        await slow.arrived(1, 60)
        stopped.send_signal(signal.SIGSTOP)
        killed = spawn("work")
        await started(killed)
        await watch(f"{target.url}other", receiver)
        await receiver.arrived(1, 60)
        await started(spawn("work"))
        killed.kill()
        await receiver.arrived(2, AT_ONCE_S)
        kept = await db.rows("SELECT lease_owner FROM deliveries WHERE attempts = 1 AND lease_until_ms > 0")
        stopped.kill()
    assert [f"-{stopped.pid}-" in row["lease_owner"] for row in kept] == [True]
    assert len(slow.arrivals) == 1


async def test_results_that_a_killed_worker_was_storing_are_stored_by_another(
    prepared_settings, environ, spawn, tmp_path
):
    environ["LOG_FILE"] = str(tmp_path / "watchkeeper.log")
    async with watched() as target:
        await watch(target.url)
        spawn("schedule")
        await started(killed := spawn("work"), spawn("work", "--queues", "check,notify"))
        await until(lambda: beats(Status.UP))
        await _kill_while_it_stores(killed)
        spawn("work")
        await until(lambda: _was_taken_over(tmp_path / "watchkeeper.log"))
        stored = await beats(Status.UP)
        await until(lambda: _more_than(stored))
    assert await beats(Status.DOWN) == 0


async def _kill_while_it_stores(worker: Process) -> None:
    """Kill a worker that has fetched a job with results, and waits for the database."""
    async with db.transaction():
        await db.rows("UPDATE series SET retries = retries")
        await until(_ingest_is_fetched)
        worker.kill()
        await asyncio.to_thread(worker.wait)


async def _ingest_is_fetched() -> bool:
    workers = await fetched_jobs.list_workers()
    keys = [f"{queue.NAMESPACE}:__acks__.{worker}.ingest" for worker in workers]
    return any([await queue.client().scard(key) for key in keys])


async def _was_taken_over(log: Path) -> bool:
    lines = await asyncio.to_thread(log.read_text)
    return any(re.search(r"takeover\.done.*\bjobs\W+[1-9]", line) for line in lines.splitlines())


async def _more_than(count: int) -> bool:
    return await beats(Status.UP) > count
