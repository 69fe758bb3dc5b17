import asyncio
from collections.abc import Callable

from app import live, queue as queues
from app.live import replay_buffer
from app.live.hub import Hub
from app.live.subscriber import LiveMessage
from app.settings import Settings
from tests.app.live.listeners import ONE, TWO, Listener, Stoppable, beat, event

ListenerFactory = Callable[..., Listener]


async def replayed(hub: Hub, channel: str, since: int, upto: int = 0) -> list[LiveMessage]:
    return [message async for message in hub.replay(channel, since, upto)]


async def test_a_batch_of_heartbeats_is_one_message(make_listener: ListenerFactory) -> None:
    listener = make_listener("heartbeats")
    await live.publish([beat(ONE), beat(TWO)], [])
    (message,) = await listener.until(1)
    assert (message["type"], message["channel"]) == ("heartbeats", "heartbeats")
    assert [one["monitor_id"] for one in message["data"]] == [ONE, TWO]
    assert message["data"][0]["time"] == "2026-11-22T00:00:00Z"


async def test_each_event_is_a_message_of_its_own(make_listener: ListenerFactory) -> None:
    listener = make_listener("events")
    await live.publish(events=[event(), event()])
    first, second = await listener.until(2)
    assert second["seq"] == first["seq"] + 1
    assert (first["type"], first["event"], first["monitor_id"]) == ("event", "monitor.down", ONE)


async def test_a_subscriber_of_one_channel_gets_nothing_of_the_other(make_listener: ListenerFactory) -> None:
    listener = make_listener("events")
    await live.publish([beat()], [event()])
    await listener.until(1)
    assert listener.types == ["event"]


async def test_a_monitors_channel_carries_its_own_heartbeats_under_their_number(make_listener: ListenerFactory) -> None:
    whole, part = make_listener("heartbeats"), make_listener(f"monitor:{TWO}")
    await live.publish(heartbeats=[beat(ONE)])
    await live.publish(heartbeats=[beat(ONE), beat(TWO)])
    await whole.until(2)
    (message,) = await part.until(1)
    assert message["channel"] == f"monitor:{TWO}"
    assert [one["monitor_id"] for one in message["data"]] == [TWO]
    assert message["seq"] == whole.messages[1]["seq"]


async def test_an_ended_subscriber_gets_nothing_more(hub: Hub, make_listener: ListenerFactory) -> None:
    stays, leaves = make_listener("events"), make_listener("events")
    hub.unsubscribe("events", leaves.reader)
    await live.publish(events=[event()])
    await stays.until(1)
    assert leaves.messages == []


async def test_numbers_keep_growing_after_redis_was_emptied(make_listener: ListenerFactory) -> None:
    listener = make_listener("events")
    await live.publish(events=[event()])
    await queues.client().flushall()
    await live.publish(events=[event()])
    first, gap, second = await listener.until(3)
    assert second["seq"] > first["seq"] + 1
    assert gap == {"type": "gap", "channel": "events", "after": first["seq"], "before": second["seq"]}


async def test_a_cut_connection_costs_no_message(make_listener: ListenerFactory) -> None:
    listener = make_listener("events", "heartbeats")
    await queues.client().execute_command("CLIENT", "KILL", "TYPE", "PUBSUB")
    await live.publish(events=[event(), event()])
    await listener.until(2)
    assert listener.types == ["event", "event"]


async def test_an_outage_of_redis_is_survived_and_unpublished_messages_are_a_gap(
    fragile_hub: Hub, stoppable: Stoppable
) -> None:
    listener = Listener(fragile_hub).follow("events", f"monitor:{ONE}")
    await live.publish([beat()], [event()])
    await listener.until(2)
    stoppable.stop()
    await live.publish([beat()], [event()])
    await asyncio.to_thread(stoppable.start)
    await live.publish([beat()], [event()])
    await listener.until(6)
    listener.close()
    for channel in ("events", f"monitor:{ONE}"):
        before, gap, after = (one for one in listener.messages if one["channel"] == channel)
        assert (gap["after"], gap["before"]) == (before["seq"], after["seq"])


async def test_a_redis_that_forgot_its_numbers_gets_higher_ones(fragile_hub: Hub) -> None:
    listener = Listener(fragile_hub).follow("events")
    await live.publish(events=[event()])
    (first,) = await listener.until(1)
    await queues.client().hset(replay_buffer.COUNTERS, "events", 7)
    await queues.client().execute_command("CLIENT", "KILL", "TYPE", "PUBSUB")
    await listener.until(2)
    await live.publish(events=[event()])
    await listener.until(3)
    listener.close()
    assert listener.types == ["event", "gap", "event"]
    assert listener.messages[2]["seq"] > first["seq"]


async def test_replay_holds_what_came_after_a_number(hub: Hub, make_listener: ListenerFactory) -> None:
    listener = make_listener("events")
    await live.publish(events=[event(), event(), event()])
    numbers = [one["seq"] for one in await listener.until(3)]
    assert [one.seq for one in await replayed(hub, "events", numbers[0])] == numbers[1:]
    assert await replayed(hub, "events", numbers[2], upto=numbers[2]) == []


async def test_replay_of_a_monitor_holds_its_part(hub: Hub, make_listener: ListenerFactory) -> None:
    listener = make_listener("heartbeats")
    for monitor_id in (ONE, TWO, TWO):
        await live.publish(heartbeats=[beat(monitor_id)])
    numbers = [one["seq"] for one in await listener.until(3)]
    assert [one.seq for one in await replayed(hub, f"monitor:{TWO}", numbers[0] - 1)] == numbers[1:]


async def test_replay_marks_what_redis_no_longer_holds(hub: Hub, make_listener: ListenerFactory) -> None:
    listener = make_listener("events")
    await live.publish(events=[event(), event(), event()])
    first, second, third = (one["seq"] for one in await listener.until(3))
    await queues.client().xdel(replay_buffer.stream_key("events"), f"{first}-0", f"{second}-0")
    lost, replayed_message = await replayed(hub, "events", first - 1)
    assert (lost, replayed_message.seq) == (LiveMessage("events", second), third)


async def test_replay_without_a_buffer_is_one_gap(hub: Hub) -> None:
    assert await replayed(hub, "events", 5, upto=9) == [LiveMessage("events", 9)]


async def test_an_unreadable_message_ends_nothing(queue: Settings, make_listener: ListenerFactory) -> None:
    listener = make_listener("events")
    for rubbish in (b"", b"events x\n{}", b"heartbeats 99999999999999\nno JSON", b"unknown 5\n{}"):
        await queues.client().publish(replay_buffer.pubsub_channel(queues.client()), rubbish)
    await live.publish(events=[event()])
    await listener.until(1)
    assert listener.types == ["event"]


async def test_two_databases_of_one_redis_are_separate(hub: Hub, make_listener: ListenerFactory) -> None:
    listener = make_listener("events")
    await queues.client().publish("wk:live:1", b"events 99999999999999\n{}")
    await live.publish(events=[event()])
    await listener.until(1)
    assert listener.types == ["event"]
