"""From due slot to delivered alert, through scheduler and worker as processes, with kill -9 on the way."""

import asyncio

import msgspec
import pytest

from app import clock, db, due_set, queue
from app.store.alerting import channels
from app.store.history import completeness
from app.store.transactions import monitors
from schema.heartbeats import heartbeat_key
from schema.jobs import MonitorSchedule
from schema.status import Status
from tests import make
from tests.pipeline.target import watched
from tests.pipeline.waiting import beats, until
from tests.receiver import Receiver, receiving

pytestmark = [pytest.mark.timeout(120)]

COMPLETE_AFTER_MS = 12_000


async def watch(url: str, receiver: Receiver | None = None, **changes) -> MonitorSchedule:
    """A monitor every five seconds, checked at once, linked to the receiver."""
    links = []
    if receiver is not None:
        links = [(await channels.create(make.channel(make.webhook(url=receiver.url)))).id]
    draft = make.monitor(make.http(url=url), interval=5, notification_channel_ids=links, **changes)
    plan = (await monitors.create(draft)).schedules[0]
    await due_set.mark_built()
    await due_set.put_series([plan], first_at_ms=clock.now_ms())
    return plan


async def test_an_outage_and_its_end_are_sent_once_with_the_length(prepared_settings, spawn):
    async with watched() as target, receiving() as receiver:
        await watch(target.url, receiver)
        spawn("schedule"), spawn("work")
        await until(lambda: beats(Status.UP))
        target.well = False
        await receiver.arrived(1, 30)
        target.well = True
        down, up = [msgspec.json.decode(one.body) for one in await receiver.arrived(2, 30)]
    assert (down["event"], up["event"]) == ("monitor.down", "monitor.up")
    assert up["data"]["duration"] >= 5


async def test_a_worker_that_is_killed_loses_no_slot(prepared_settings, spawn):
    async with watched() as target:
        await watch(target.url, timeout=4)
        spawn("schedule")
        first = spawn("work")
        await until(lambda: beats(Status.UP))
        target.hangs = True
        n_requests = target.requests.total()
        await until(lambda: _more(target, n_requests))
        first.kill()
        target.hangs = False
        spawn("work")
        await until(lambda: _history_is_whole(6))
    assert await beats(Status.DOWN) == 0


async def _more(target, n_requests: int) -> bool:
    return target.requests.total() > n_requests


async def _history_is_whole(slots: int) -> bool:
    report = await completeness.build_report(clock.now_ms(), COMPLETE_AFTER_MS)
    return report.slots >= slots and (report.missing, report.doubled) == (0, 0)


async def test_two_schedulers_and_two_workers_check_each_slot_once(prepared_settings, spawn):
    async with watched() as target:
        for number in range(20):
            await watch(f"{target.url}{number}")
        for command in ("schedule", "schedule", "work", "work"):
            spawn(command)
        await until(lambda: _history_is_whole(40))
        n_requests, n_beats = target.requests.total(), await beats()
        checked = n_beats - await beats(Status.UNKNOWN)  # the rest a busy machine could not check in time
    assert n_requests - checked in range(-20, 21)


async def test_an_emptied_redis_is_no_outage(prepared_settings, spawn):
    async with watched() as target:
        await watch(target.url)
        spawn("schedule"), spawn("work")
        await until(lambda: beats(Status.UP))
        await queue.client().flushall()
        before = await beats()
        await until(lambda: _grown(before + 1))
        await until(lambda: _history_is_whole(4))
    assert await beats(Status.DOWN) == 0


async def _grown(to: int) -> bool:
    return await beats() > to


async def _stored(key: int) -> bool:
    return bool(await db.rows("SELECT id FROM heartbeats WHERE id = ?1", key))


async def test_pausing_stops_checks_and_run_now_still_checks(prepared_settings, spawn):
    async with watched() as target:
        plan = await watch(target.url)
        spawn("schedule"), spawn("work")
        await until(lambda: beats(Status.UP))
        await due_set.remove_series([plan.series])
        at_ms = await due_set.check_now(plan.series, plan.version, 20)
        await until(lambda: _stored(heartbeat_key(plan.series, at_ms)))
        n_requests = target.requests.total()
        await asyncio.sleep(6)
    assert at_ms > 0
    assert target.requests.total() == n_requests
