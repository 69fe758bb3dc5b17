"""The notify stage tells each channel once, in order, and writes down what failed."""

import asyncio

import msgspec
import pytest

from actors import senders
from actors.notify import Notifier
from app import clock, db
from app.security.secrets import sealing
from app.store.alerting import channels, delivery_queue
from app.store.monitoring import series
from app.store.transactions import monitors, results
from schema.jobs import NotifyBatch
from tests import make
from tests.receiver import Order, receiving


@pytest.fixture
async def desk(store, queue):
    sealing.prepare(store)
    tools = senders.make_context()
    desk = Notifier(tools, "https://watch.example")
    yield desk
    await desk.close(5)
    await tools.close()


async def owed(url: str, *, flips: int = 1) -> NotifyBatch:
    """A monitor that changed its mind `flips` times, linked to a webhook."""
    channel = await channels.create(make.channel(make.webhook(url=url)))
    changed = await monitors.create(make.monitor(notification_channel_ids=[channel.id]))
    known = {one.series: one for one in await series.list_snapshots([changed.schedules[0].series])}
    (no,) = known
    ids = []
    for flip in range(flips):
        made = make.outcome if flip % 2 else make.down
        outcome = made(series=no, at_ms=clock.now_ms() - flips + flip)
        ids += (await results.store_results(make.results(outcome), known, clock.now_ms())).deliveries[channel.id]
    return NotifyBatch(channel.id, ids)


async def states() -> list[str]:
    return [row["state"] for row in await db.rows("SELECT state FROM deliveries ORDER BY at_ms")]


async def settled(count: int, state: str) -> None:
    async with asyncio.timeout(20):
        while (await states()).count(state) < count:
            await asyncio.sleep(0.02)


async def test_each_outage_is_told_once_and_in_order(desk):
    async with receiving() as receiver:
        job = await owed(receiver.url, flips=7)
        await desk.admit(job)
        await desk.admit(job)
        await settled(4, "sent")
        told = [msgspec.json.decode(arrival.body)["event"] for arrival in receiver.arrivals]
    assert told == ["monitor.up"] * 3 + ["monitor.down"]  # a recovery that finds its outage untold tells both
    assert set(receiver.accepted().values()) == {1}
    assert (await states()).count("suppressed") == 3


async def test_a_failed_try_is_written_down_and_waits(desk):
    async with receiving() as receiver:
        receiver.answer(Order(status=500))
        await desk.admit(await owed(receiver.url))
        async with asyncio.timeout(20):
            while not (rows := await db.rows("SELECT * FROM deliveries WHERE attempts = 1 AND state = 'pending'")):
                await asyncio.sleep(0.02)
    assert "500" in rows[0]["error"]
    assert rows[0]["next_attempt_ms"] > clock.now_ms()


async def test_a_refusal_for_good_is_a_dead_letter_with_its_reason(desk):
    async with receiving() as receiver:
        receiver.answer(Order(status=404))
        await desk.admit(await owed(receiver.url))
        await settled(1, "dead")
    (row,) = await db.rows("SELECT error FROM deliveries")
    assert "404" in row["error"]


async def test_a_channel_that_hangs_holds_nobody_else(desk):
    async with receiving() as slow, receiving() as quick:
        slow.answer(Order(hang=True))
        await desk.admit(await owed(slow.url))
        await slow.arrived(1)
        await desk.admit(await owed(quick.url))
        await settled(1, "sent")
        assert sorted(await states()) == ["sending", "sent"]


async def test_a_line_that_was_cut_off_is_not_in_the_way_of_the_next_one(desk):
    async with receiving() as receiver:
        job = await owed(receiver.url)
        await desk.admit(job)
        (cut_off,) = desk._workers.values()
        cut_off.cancel()
        await asyncio.wait([cut_off])
        assert (desk._workers, desk._queues) == ({}, {})
        await desk.admit(job)
        await settled(1, "sent")


async def test_a_delivery_of_a_deleted_channel_is_gone_with_it(desk):
    job = await owed("http://127.0.0.1:9/hook")
    await db.rows("DELETE FROM channels")
    await desk.admit(job)
    assert await states() == []


async def test_two_workers_with_the_same_job_send_each_message_once(store, desk):
    tools = senders.make_context()
    other = Notifier(tools, "https://watch.example")
    async with receiving() as receiver:
        job = await owed(receiver.url, flips=5)
        await asyncio.gather(desk.admit(job), other.admit(job))
        await settled(3, "sent")
        assert sorted(receiver.accepted().values()) == [1, 1, 1]
    await other.close(5)
    await tools.close()


async def test_a_worker_that_was_killed_after_sending_is_followed_by_another_under_the_same_id(desk):
    async with receiving() as receiver:
        job = await owed(receiver.url)
        await desk.admit(job)
        await settled(1, "sent")
        await db.rows(
            "UPDATE deliveries SET state = 'sending', lease_until_ms = 1"
        )  # as if it had not come to settling
        await desk.admit(job)
        await settled(1, "sent")
        assert [arrival.id for arrival in receiver.arrivals] == job.deliveries * 2


async def test_a_locked_database_is_waited_for_and_nothing_is_sent_twice(desk):
    asked, locked = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await locked.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        await desk.admit(await owed(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        await asked.wait()
        async with db.transaction():
            await db.rows("UPDATE channels SET name = name")  # on PostgreSQL it is the row that is locked
            locked.set()
            await asyncio.sleep(0.3)
        await settled(1, "sent")
    (row,) = await db.rows("SELECT attempts FROM deliveries")
    assert row["attempts"] == 1


async def test_many_at_once_are_one_burst_and_one_message(desk):
    """To people, that is: this webhook is told as they are."""
    async with receiving() as receiver:
        job = await owed(receiver.url, flips=1)
        told = [await another(job.channel_id) for _ in range(4)]
        await db.rows("UPDATE channels SET rules = ?1", '{"grouping":{"max_immediate":2,"window":1}}')
        await desk.admit(NotifyBatch(job.channel_id, [*job.deliveries, *told]))
        await settled(2, "sent")
        async with asyncio.timeout(20):
            while not (waiting := await delivery_queue.due_deliveries(clock.now_ms())):
                await asyncio.sleep(0.02)
        await desk.admit(NotifyBatch(job.channel_id, waiting[job.channel_id]))
        await settled(5, "sent")
        assert len(receiver.arrivals) == 3


async def another(channel_id: str) -> str:
    """One more monitor that fails; returns the delivery."""
    changed = await monitors.create(make.monitor(notification_channel_ids=[channel_id]))
    known = {one.series: one for one in await series.list_snapshots([changed.schedules[0].series])}
    (no,) = known
    outcome = make.down(series=no, at_ms=clock.now_ms())
    (id_,) = (await results.store_results(make.results(outcome), known, clock.now_ms())).deliveries[channel_id]
    return id_


async def test_an_event_that_cannot_be_put_into_words_keeps_no_other_one_from_being_sent(desk):
    async with receiving() as receiver:
        first, second = await owed(receiver.url), await owed(receiver.url)
        await db.rows("UPDATE deliveries SET channel_id = ?1", first.channel_id)
        broken = await db.rows("SELECT event_id FROM deliveries WHERE id = ?1", first.deliveries[0])
        await db.rows(
            "UPDATE events SET data = ?1 WHERE id = ?2", '{"monitor": 5, "status": {}}', broken[0]["event_id"]
        )
        await desk.admit(NotifyBatch(first.channel_id, [*first.deliveries, *second.deliveries]))
        await settled(1, "sent")
        async with asyncio.timeout(20):
            while not (rows := await db.rows("SELECT * FROM deliveries WHERE attempts = 1 AND state = 'pending'")):
                await asyncio.sleep(0.02)
    assert rows[0]["error"].startswith("a fault in Watchkeeper (")
    assert rows[0]["id"] == first.deliveries[0]
    assert len(receiver.arrivals) == 1
