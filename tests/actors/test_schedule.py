"""The scheduler claims what is due and sleeps until the next due time, however slow Redis is."""

import asyncio

import pytest

from actors.reconcile import Reconciler
from actors.schedule import MAX_SLEEP_S, TICK_S, Ticker, run_loops
from app import clock, due_set, queue as queues
from schema.jobs import CheckBatch, MonitorSchedule
from tests import make
from tests.actors.queued_jobs import jobs_of

HOUR_MS = 3_600_000


class Late(Ticker):
    """A ticker whose tick takes longer than the rest it would have had."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(Reconciler())
        self.wait_s = wait_s

    async def tick(self) -> float:
        await asyncio.sleep(TICK_S + 0.01)
        return self.wait_s


@pytest.mark.parametrize("wait_s", [-5.0, -0.001, 0.0, 0.0001])
async def test_a_tick_that_comes_late_does_not_wait_for_ever(queue, wait_s):
    async with asyncio.timeout(5):
        await Late(wait_s).step()


async def test_due_slots_become_jobs_of_at_most_a_hundred(store, queue):
    await due_set.mark_built()
    await due_set.put_series(
        [MonitorSchedule(no, HOUR_MS, 5_000, 1) for no in range(1, 251)], first_at_ms=clock.now_ms()
    )
    wait_s = await Ticker(Reconciler()).tick()
    assert sorted(len(job.slots) for job in await jobs_of(CheckBatch)) == [50, 100, 100]
    assert wait_s > 0


async def test_a_sleeping_scheduler_wakes_for_a_check_that_is_due_now(store, queue):
    await due_set.mark_built()
    await due_set.put_series([MonitorSchedule(1, HOUR_MS, 5_000, 1)])
    await queues.client().delete("wk:wake:schedule")
    step = asyncio.create_task(Ticker(Reconciler()).step())
    await asyncio.sleep(0.1)
    await due_set.put_series([MonitorSchedule(1, HOUR_MS, 5_000, 2)], first_at_ms=clock.now_ms())
    async with asyncio.timeout(MAX_SLEEP_S):
        await step
    assert len((await due_set.claim_due(10)).slots) == 1


def test_no_slots_are_no_jobs():
    assert queues.check_jobs([]) == []
    assert queues.check_jobs([make.slot()]) == [CheckBatch([make.slot()])]


async def test_every_loop_has_a_name_by_which_its_end_is_reported(store, queue):
    others, stop = asyncio.all_tasks(), asyncio.Event()
    scheduler = asyncio.create_task(run_loops(store, stop), name="scheduler")
    await asyncio.sleep(0)
    names = {task.get_name() for task in asyncio.all_tasks() - others - {scheduler}}
    stop.set()
    await scheduler
    assert {"tick", "sweep", "self_monitor", "housekeeping", "metrics"} <= names
    assert [name for name in names if name.startswith("Task-")] == []


def test_many_slots_are_several_jobs_in_order():
    slots = [make.slot(series=number) for number in range(queues.SLOTS_PER_JOB + 1)]
    assert queues.check_jobs(slots) == [CheckBatch(slots[:-1]), CheckBatch(slots[-1:])]
