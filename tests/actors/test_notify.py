"""The notify stage sends to each channel once, in order, and records failed attempts."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from actors import channel_lane, delivery_attempt, notify, senders
from actors.channel_lane import MAX_PARALLEL_SENDS
from actors.notify import Notifier
from app import clock, db
from app.security.secrets import sealing
from app.store.alerting import channels, delivery_claims, delivery_queue
from app.store.alerting.delivery_claims import DeliveryClaim
from app.store.monitoring import proxies, series
from app.store.transactions import monitors, results
from schema.channels import ChannelDraft, Ntfy
from schema.jobs import NotifyBatch
from schema.proxies import ProxyProtocol
from tests import make
from tests.actors.probes.servers_proxies import tinyproxy
from tests.receiver import Order, receiving

__all__ = ["tinyproxy"]


@pytest.fixture
async def notifier(store, queue):
    sealing.prepare(store)
    context = senders.make_context()
    notifier = Notifier(context, "https://watch.example")
    yield notifier
    await notifier.close(5)
    await context.close()


class Made(NotifyBatch, frozen=True):
    """A job with the deliveries of one channel."""

    @property
    def channel_id(self) -> str:
        return next(iter(self.deliveries))

    @property
    def ids(self) -> list[str]:
        return self.deliveries[self.channel_id]


async def make_deliveries(url: str, *, flips: int = 1, draft: ChannelDraft | None = None, **webhook) -> Made:
    """A monitor that changed its mind `flips` times, linked to a webhook, or to another channel."""
    channel = await channels.create(draft or make.channel(make.webhook(url=url, **webhook)))
    changed = await monitors.create(make.monitor(notification_channel_ids=[channel.id]))
    snapshots = {one.series: one for one in await series.list_snapshots([changed.schedules[0].series])}
    (no,) = snapshots
    ids = []
    for flip in range(flips):
        made = make.outcome if flip % 2 else make.down
        outcome = made(series=no, at_ms=clock.now_ms() - flips + flip)
        ids += (await results.store_results(make.results(outcome), snapshots, clock.now_ms())).deliveries[channel.id]
    return Made({channel.id: ids})


async def more_deliveries(channel_id: str, name: str) -> Made:
    """Another monitor of a channel, that fails."""
    changed = await monitors.create(make.monitor(name=name, notification_channel_ids=[channel_id]))
    snapshots = {one.series: one for one in await series.list_snapshots([changed.schedules[0].series])}
    (no,) = snapshots
    stored = await results.store_results(
        make.results(make.down(series=no, at_ms=clock.now_ms())), snapshots, clock.now_ms()
    )
    return Made(stored.deliveries)


async def states() -> list[str]:
    return [row["state"] for row in await db.rows("SELECT state FROM deliveries ORDER BY at_ms")]


async def until_deliveries(count: int, state: str) -> None:
    async with asyncio.timeout(20):
        while (await states()).count(state) < count:
            await asyncio.sleep(0.02)


async def test_each_outage_is_sent_once_and_in_order(notifier):
    async with receiving() as receiver:
        job = await make_deliveries(receiver.url, flips=7)
        await notifier.admit(job)
        await notifier.admit(job)
        await until_deliveries(4, "sent")
        sent = [msgspec.json.decode(arrival.body)["event"] for arrival in receiver.arrivals]
    assert sent == ["monitor.up"] * 3 + ["monitor.down"]  # a recovery whose outage was not sent covers both
    assert set(receiver.accepted().values()) == {1}
    assert (await states()).count("suppressed") == 3


@pytest.mark.parametrize(("own", "expected"), [(None, "CET|CEST"), ("Asia/Tokyo", "JST")])
async def test_a_message_has_the_times_of_its_channel_or_of_the_server(notifier, own, expected):
    server = Notifier(notifier._context, "https://watch.example", timezone="Europe/Berlin")
    async with receiving() as receiver:
        draft = make.channel(Ntfy(server_url=receiver.url, topic="alerts"), timezone=own)
        await server.admit(await make_deliveries(receiver.url, draft=draft))
        await until_deliveries(1, "sent")
        text = msgspec.json.decode(receiver.arrivals[0].body)["message"]
    assert re.search(rf"Down since [\d-]+ [\d:]+ ({expected})", text)
    assert "UTC" not in text
    await server.close(5)


async def test_a_failed_attempt_is_recorded_and_retried_later(notifier):
    async with receiving() as receiver:
        receiver.answer(Order(status=500))
        await notifier.admit(await make_deliveries(receiver.url))
        async with asyncio.timeout(20):
            while not (rows := await db.rows("SELECT * FROM deliveries WHERE attempts = 1 AND state = 'pending'")):
                await asyncio.sleep(0.02)
    assert "500" in rows[0]["error"]
    assert rows[0]["next_attempt_ms"] > clock.now_ms()


async def test_a_permanent_refusal_is_a_dead_letter_with_its_reason(notifier):
    async with receiving() as receiver:
        receiver.answer(Order(status=404))
        await notifier.admit(await make_deliveries(receiver.url))
        await until_deliveries(1, "dead")
    (row,) = await db.rows("SELECT error FROM deliveries")
    assert "404" in row["error"]


async def test_a_delivery_goes_through_the_channels_proxy(notifier, tinyproxy):
    login = {"username": "ann", "password": "sesame"}
    proxy = await proxies.create(make.proxy(protocol=ProxyProtocol.HTTP, port=tinyproxy, **login))
    async with receiving() as receiver:
        await notifier.admit(await make_deliveries(receiver.url, proxy_id=proxy.id))
        await until_deliveries(1, "sent")
        assert "(tinyproxy/" in receiver.arrivals[0].headers["Via"]


async def test_a_hanging_channel_does_not_delay_other_channels(notifier):
    async with receiving() as slow, receiving() as quick:
        slow.answer(Order(hang=True))
        await notifier.admit(await make_deliveries(slow.url))
        await slow.arrived(1)
        await notifier.admit(await make_deliveries(quick.url))
        await until_deliveries(1, "sent")
        assert sorted(await states()) == ["sending", "sent"]


async def test_a_turn_that_is_cancelled_does_not_stop_the_next_one(notifier):
    async with receiving() as receiver:
        job = await make_deliveries(receiver.url)
        await notifier.admit(job)
        cut_off = notifier._turns
        assert cut_off is not None
        cut_off.cancel()
        await asyncio.wait([cut_off])
        await notifier.admit(job)
        await until_deliveries(1, "sent")


async def test_a_channel_whose_deliveries_crash_stops_no_other(notifier, monkeypatch):
    async with receiving() as receiver:
        bad, good = await make_deliveries("http://127.0.0.1:9/hook"), await make_deliveries(receiver.url)
        claim = delivery_claims.claim

        async def crashing(ids: Sequence[str], *args: Any, **options: Any) -> list[DeliveryClaim]:
            assert not set(ids) & set(bad.deliveries), "a bug"
            return await claim(ids, *args, **options)

        monkeypatch.setattr(delivery_claims, "claim", crashing)
        await notifier.admit(bad)
        await notifier.admit(good)
        await notifier.drained()
    assert sorted(await states()) == ["pending", "sent"]


async def test_every_channel_has_its_part_of_a_turn(notifier, monkeypatch):
    monkeypatch.setattr(notify, "MAX_CLAIMS_PER_TURN", 3)
    for channel_id in ("first", "second"):
        notifier._lanes[channel_id].pending.update(dict.fromkeys(f"{channel_id} {number}" for number in range(5)))
    turns = [sorted(notifier._take_pending()) for _ in range(3)]
    assert turns == [["first"], ["second"], ["first", "second"]]
    notifier._lanes.clear()


async def test_a_failing_channel_is_not_tried_with_everything_that_waits(notifier):
    async with receiving() as receiver:
        first = await make_deliveries(receiver.url)
        jobs = [first, *[await more_deliveries(first.channel_id, f"web {number}") for number in range(120)]]
        receiver.answer(Order(status=500))
        for job in jobs:
            await notifier.admit(job)
        await notifier.drained()
        assert len(receiver.arrivals) <= MAX_PARALLEL_SENDS
    assert await states() == ["pending"] * 121
    attempts = await db.rows("SELECT sum(attempts) AS n FROM deliveries")
    assert attempts[0]["n"] == len(receiver.arrivals)


async def test_deliveries_of_a_deleted_channel_are_not_sent(notifier):
    async with receiving() as receiver:
        job = await make_deliveries(receiver.url)
        await channels.delete(job.channel_id)
        await notifier.admit(job)
        await notifier.close(5)
        assert (receiver.arrivals, await states()) == ([], ["suppressed"])


async def test_two_workers_with_the_same_job_send_each_message_once(store, notifier):
    context = senders.make_context()
    other = Notifier(context, "https://watch.example")
    async with receiving() as receiver:
        job = await make_deliveries(receiver.url, flips=5)
        await asyncio.gather(notifier.admit(job), other.admit(job))
        await until_deliveries(3, "sent")
        assert sorted(receiver.accepted().values()) == [1, 1, 1]
    await other.close(5)
    await context.close()


async def test_a_worker_killed_after_sending_is_replaced_under_the_same_id(notifier):
    async with receiving() as receiver:
        job = await make_deliveries(receiver.url)
        await notifier.admit(job)
        await until_deliveries(1, "sent")
        await db.rows(
            "UPDATE deliveries SET state = 'sending', lease_until_ms = 1"
        )  # as if it had not come to settling
        await notifier.admit(job)
        await until_deliveries(1, "sent")
        assert [arrival.id for arrival in receiver.arrivals] == job.ids * 2


async def test_a_locked_database_is_retried_and_nothing_is_sent_twice(notifier):
    requested, locked = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        requested.set()
        await locked.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        await notifier.admit(await make_deliveries(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        await requested.wait()
        async with db.transaction():
            await db.rows("UPDATE channels SET name = name")  # on PostgreSQL it is the row that is locked
            locked.set()
            await asyncio.sleep(0.3)
        await until_deliveries(1, "sent")
    (row,) = await db.rows("SELECT attempts FROM deliveries")
    assert row["attempts"] == 1


async def test_simultaneous_alerts_are_one_burst_and_one_message(notifier):
    """Grouping applies to people's channels; this webhook is configured as one."""
    async with receiving() as receiver:
        job = await make_deliveries(receiver.url, flips=1)
        others = [await another(job.channel_id) for _ in range(4)]
        await db.rows("UPDATE channels SET rules = ?1", '{"grouping":{"max_immediate":2,"window":1}}')
        await notifier.admit(NotifyBatch({job.channel_id: [*job.ids, *others]}))
        await until_deliveries(2, "sent")
        async with asyncio.timeout(20):
            while not (waiting := await delivery_queue.due_deliveries(clock.now_ms())):
                await asyncio.sleep(0.02)
        await notifier.admit(NotifyBatch(waiting))
        await until_deliveries(5, "sent")
        assert len(receiver.arrivals) == 3


async def another(channel_id: str) -> str:
    """One more monitor that fails; returns the delivery."""
    changed = await monitors.create(make.monitor(notification_channel_ids=[channel_id]))
    snapshots = {one.series: one for one in await series.list_snapshots([changed.schedules[0].series])}
    (no,) = snapshots
    outcome = make.down(series=no, at_ms=clock.now_ms())
    (id_,) = (await results.store_results(make.results(outcome), snapshots, clock.now_ms())).deliveries[channel_id]
    return id_


async def test_a_result_that_cannot_be_noted_leaves_its_place_to_the_next_delivery(notifier, monkeypatch):
    real = delivery_attempt.attempt_results

    def crash(claim, *rest):
        if claim.id == first.ids[0]:
            raise ZeroDivisionError
        return real(claim, *rest)

    async with receiving() as receiver:
        first, second = await make_deliveries(receiver.url), await make_deliveries(receiver.url)
        await db.rows("UPDATE deliveries SET channel_id = ?1", first.channel_id)
        monkeypatch.setattr(channel_lane, "MAX_PARALLEL_SENDS", 1)
        monkeypatch.setattr(delivery_attempt, "attempt_results", crash)
        await notifier.admit(NotifyBatch({first.channel_id: [*first.ids, *second.ids]}))
        await notifier.drained()
    states = {row["id"]: row["state"] for row in await db.rows("SELECT id, state FROM deliveries")}
    assert states == {first.ids[0]: "sending", second.ids[0]: "sent"}


async def test_an_event_that_cannot_be_rendered_does_not_block_other_deliveries(notifier):
    async with receiving() as receiver:
        first, second = await make_deliveries(receiver.url), await make_deliveries(receiver.url)
        await db.rows("UPDATE deliveries SET channel_id = ?1", first.channel_id)
        broken = await db.rows("SELECT event_id FROM deliveries WHERE id = ?1", first.ids[0])
        await db.rows(
            "UPDATE events SET data = ?1 WHERE id = ?2", '{"monitor": 5, "status": {}}', broken[0]["event_id"]
        )
        await notifier.admit(NotifyBatch({first.channel_id: [*first.ids, *second.ids]}))
        await until_deliveries(1, "sent")
        async with asyncio.timeout(20):
            while not (rows := await db.rows("SELECT * FROM deliveries WHERE attempts = 1 AND state = 'pending'")):
                await asyncio.sleep(0.02)
    assert rows[0]["error"].startswith("a fault in Watchkeeper (")
    assert rows[0]["id"] == first.ids[0]
    assert len(receiver.arrivals) == 1
