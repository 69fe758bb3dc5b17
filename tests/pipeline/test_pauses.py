"""Processes that are paused and resumed report no false outage: scheduler and worker as processes."""

import asyncio
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from aiohttp import web

from app import db, due_set
from app.api.monitoring import monitor_changes
from app.store.alerting import channels
from app.store.transactions import monitors
from schema.status import Status
from schema.targets import Push
from tests import make
from tests.pipeline.test_pipeline import _history_is_whole
from tests.pipeline.waiting import beats, until
from tests.receiver import receiving

pytestmark = [pytest.mark.timeout(240)]

ANSWERS_AFTER_S = 1.5
STOPPED_S = 6.0


@contextmanager
def stopped(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Stopped, as by a machine that is moved."""
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


async def respond_slowly(_: web.Request) -> web.Response:
    """Always well, and never in a hurry."""
    await asyncio.sleep(ANSWERS_AFTER_S)
    return web.Response()


@pytest.fixture
async def slow_target():
    """The address of a target that is always up."""
    app = web.Application()
    app.router.add_get("/{name:.*}", respond_slowly)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


@pytest.mark.parametrize("stops_all", [False, True])
async def test_targets_that_are_always_up_are_never_down(prepared_settings, spawn, slow_target, stops_all):
    async with receiving() as receiver:
        channel = await channels.create(make.channel(make.webhook(url=receiver.url)))
        for number in range(10):
            target = make.http(url=f"{slow_target}{number}")
            changed = await monitors.create(
                make.monitor(target, name=f"web {number}", interval=5, timeout=4, notification_channel_ids=[channel.id])
            )
            await monitor_changes.publish(changed)
        await due_set.mark_built()
        processes = [spawn("schedule"), spawn("work")]
        await until(lambda: _more(Status.UP, 20))
        for _ in range(3):
            with stopped(processes if stops_all else processes[1:]):
                await asyncio.sleep(STOPPED_S)
            await _until_more(20)
        down_events = await db.rows("SELECT kind FROM events WHERE kind LIKE 'monitor.%' AND kind LIKE '%down'")
    assert await beats(Status.DOWN) == 0
    assert down_events == []


async def _until_more(ups: int) -> None:
    """Wait for so many more checks that passed."""
    before = await beats(Status.UP)
    await until(lambda: _more(Status.UP, before + ups))


async def _more(status: Status, count: int) -> bool:
    return await beats(status) >= count


async def test_push_monitors_miss_no_slot_when_they_are_made_and_changed(prepared_settings, spawn):
    changed = await monitors.create(make.monitor(Push(), interval=5))
    await monitor_changes.publish(changed)
    await due_set.mark_built()
    spawn("schedule"), spawn("work")
    await until(lambda: _history_is_whole(2))
    await monitor_changes.publish(await monitors.set_active(changed.monitor.id, active=False))
    await monitor_changes.publish(await monitors.set_active(changed.monitor.id, active=True))
    await until(lambda: _history_is_whole(4))
