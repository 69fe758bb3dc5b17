import asyncio

import msgspec

from app.live.coalescing import MIN_PAUSE_S, PER_SUBSCRIBER_S, Coalescer, merge_frames
from schema.ws_messages import HeartbeatFrame
from tests.app.live.listeners import AT, beat

MANY = int(2 * MIN_PAUSE_S / PER_SUBSCRIBER_S)


def text(seq: int) -> bytes:
    return msgspec.json.encode(HeartbeatFrame(seq=seq, channel="heartbeats", timestamp=AT, data=[beat(id=str(seq))]))


async def test_with_few_readers_a_message_leaves_at_once_and_unchanged() -> None:
    left: list[tuple[int, bytes]] = []
    bundle = Coalescer(lambda seq, payload: left.append((seq, payload)), lambda: 1)
    bundle.add(7, text(7))
    assert left == [(7, text(7))]


async def test_with_many_readers_messages_leave_together_under_the_last_number() -> None:
    left: list[tuple[int, bytes]] = []
    bundle = Coalescer(lambda seq, payload: left.append((seq, payload)), lambda: MANY)
    for seq in (7, 8):
        bundle.add(seq, text(seq))
    assert left == []
    await asyncio.sleep(4 * MIN_PAUSE_S)
    assert left == [(8, merge_frames([text(7), text(8)]))]


async def test_a_bundle_can_be_sent_early_and_only_once() -> None:
    left: list[int] = []
    bundle = Coalescer(lambda seq, _: left.append(seq), lambda: MANY)
    bundle.add(7, text(7))
    bundle.flush()
    await asyncio.sleep(4 * MIN_PAUSE_S)
    assert left == [7]


def test_merging_keeps_every_heartbeat_in_order() -> None:
    frame = msgspec.json.decode(merge_frames([text(7), text(8), text(9)]), type=HeartbeatFrame)
    assert (frame.seq, [one.id for one in frame.data]) == (9, ["7", "8", "9"])
