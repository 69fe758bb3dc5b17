"""A restart repeats no alert and loses none: the alert state is in the database."""

import asyncio
import signal

import msgspec
import pytest

from app import db
from schema.status import Status
from tests.pipeline.target import watched
from tests.pipeline.test_pipeline import watch
from tests.pipeline.waiting import beats, until
from tests.receiver import Order, Receiver, receiving

pytestmark = [pytest.mark.timeout(150)]


def received_events(receiver: Receiver) -> list[str]:
    return [msgspec.json.decode(one.body)["event"] for one in receiver.arrivals]


async def stopped(*processes) -> None:
    """End them as an upgrade does."""
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        await asyncio.to_thread(process.wait, 30)


async def _more_downs(than: int) -> bool:
    return await beats(Status.DOWN) >= than


async def test_an_outage_that_was_sent_is_not_sent_again_after_a_restart_and_its_end_is(prepared_settings, spawn):
    async with watched() as target, receiving() as receiver:
        target.well = False
        await watch(target.url, receiver)
        processes = spawn("schedule"), spawn("work")
        await receiver.arrived(1, 30)
        await stopped(*processes)
        seen = await beats(Status.DOWN)
        spawn("schedule"), spawn("work")
        await until(lambda: _more_downs(seen + 2))
        assert received_events(receiver) == ["monitor.down"]
        target.well = True
        await receiver.arrived(2, 30)
    assert received_events(receiver) == ["monitor.down", "monitor.up"]


async def test_a_recovery_during_downtime_is_sent_afterwards(prepared_settings, spawn):
    async with watched() as target, receiving() as receiver:
        target.well = False
        await watch(target.url, receiver)
        processes = spawn("schedule"), spawn("work")
        await receiver.arrived(1, 30)
        await stopped(*processes)
        target.well = True
        spawn("schedule"), spawn("work")
        await receiver.arrived(2, 30)
    assert received_events(receiver) == ["monitor.down", "monitor.up"]


async def test_an_alert_pending_at_shutdown_is_sent_once_afterwards(prepared_settings, spawn):
    async with watched() as target, receiving() as receiver:
        receiver.answer(Order(status=503))
        target.well = False
        await watch(target.url, receiver)
        processes = spawn("schedule"), spawn("work")
        await receiver.arrived(1, 30)
        await stopped(*processes)
        receiver.answer()
        spawn("schedule"), spawn("work")
        first, again = await receiver.arrived(2, 60)
        await until(_no_delivery_is_open)
    assert first.id == again.id
    assert received_events(receiver) == ["monitor.down", "monitor.down"]


async def _no_delivery_is_open() -> bool:
    found = await db.rows("SELECT count(*) AS n FROM deliveries WHERE state IN ('pending', 'sending')")
    return found[0]["n"] == 0
