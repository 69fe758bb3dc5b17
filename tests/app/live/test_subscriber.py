import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec
from hypothesis import given, strategies as st

from app.live import subscriber
from app.live.subscriber import BACKLOG, LiveMessage, LiveSubscriber

SENDS = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 3 * BACKLOG)), max_size=6)


class Peer:
    """The other end; accepts texts while it is open."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.gate = asyncio.Event()

    async def take(self, text: str) -> None:
        await self.gate.wait()
        self.got.append(msgspec.json.decode(text))


async def settled() -> None:
    for _ in range(20 * BACKLOG):
        await asyncio.sleep(0)


def offer(reader: LiveSubscriber, channel: str, numbers: Iterable[int]) -> None:
    for number in numbers:
        reader.enqueue(LiveMessage(channel, number, f'{{"channel":"{channel}","seq":{number}}}'))
    reader.wake()


async def test_messages_arrive_once_and_in_order() -> None:
    peer = Peer()
    peer.gate.set()
    reader = LiveSubscriber(peer.take)
    reader.follow("a", 4)
    task = asyncio.create_task(reader.run())
    offer(reader, "a", [3, 4, 5, 5, 6])
    offer(reader, "b", [1])
    await settled()
    task.cancel()
    assert [one["seq"] for one in peer.got] == [5, 6]


async def test_a_slow_reader_loses_the_oldest_and_gets_the_gap() -> None:
    peer = Peer()
    reader = LiveSubscriber(peer.take)
    reader.follow("a", 0)
    offer(reader, "a", range(1, BACKLOG + 11))
    peer.gate.set()
    task = asyncio.create_task(reader.run())
    await settled()
    task.cancel()
    assert peer.got[0] == {"type": "gap", "channel": "a", "after": 0, "before": 11}
    assert [one["seq"] for one in peer.got[1:]] == list(range(11, BACKLOG + 11))


async def test_a_rare_channel_pushed_out_by_a_busy_one_gets_a_gap_without_a_next_message() -> None:
    peer = Peer()
    reader = LiveSubscriber(peer.take)
    reader.follow("rare", 0)
    reader.follow("busy", 0)
    offer(reader, "rare", [1])
    offer(reader, "busy", range(1, BACKLOG + 1))
    peer.gate.set()
    task = asyncio.create_task(reader.run())
    await settled()
    task.cancel()
    assert {"type": "gap", "channel": "rare", "after": 0, "before": 2} in peer.got


async def test_queued_messages_of_an_unsubscribed_channel_are_not_sent() -> None:
    peer = Peer()
    peer.gate.set()
    reader = LiveSubscriber(peer.take)
    reader.follow("a", 0)
    offer(reader, "a", [1])
    reader.forget("a")
    task = asyncio.create_task(reader.run())
    await settled()
    task.cancel()
    assert peer.got == []


@given(SENDS)
def test_messages_and_gaps_together_cover_every_number_in_order(sends: list[tuple[str, int]]) -> None:
    got = asyncio.run(_sent(sends))
    at = {"a": 0, "b": 0}
    for one in got:
        is_gap = one.get("type") == "gap"
        assert (one["after"] if is_gap else one["seq"] - 1) == at[one["channel"]]
        at[one["channel"]] = one["before"] - 1 if is_gap else one["seq"]
    assert at == {channel: sum(count for name, count in sends if name == channel) for channel in at}


async def _sent(sends: list[tuple[str, int]]) -> list[Any]:
    peer, at = Peer(), {"a": 0, "b": 0}
    peer.gate.set()
    reader = LiveSubscriber(peer.take)
    for channel in at:
        reader.follow(channel, 0)
    task = asyncio.create_task(reader.run())
    for channel, count in sends:
        offer(reader, channel, range(at[channel] + 1, at[channel] + count + 1))
        at[channel] += count
        await asyncio.sleep(0)
    while reader._backlog or reader._dropped:
        await asyncio.sleep(0)
    task.cancel()
    return peer.got


def test_the_backlog_is_as_documented_on_the_websocket_page() -> None:
    assert subscriber.BACKLOG == 256
