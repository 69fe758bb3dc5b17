from dataclasses import replace

import pytest

from app import live, queue as queues
from app.live import replay_buffer
from app.live.channels import SOURCES
from app.settings import Settings
from tests.app.live.listeners import beat, event


async def test_an_empty_publish_needs_no_redis() -> None:
    await live.publish([], [])


async def test_the_replay_buffer_is_bounded_and_expires_when_idle(queue: Settings) -> None:
    for _ in range(12):
        await live.publish(events=[event() for _ in range(100)])
    assert SOURCES["events"] <= await queues.client().xlen(replay_buffer.stream_key("events")) < SOURCES["events"] + 101
    assert 0 < await queues.client().ttl(replay_buffer.stream_key("events")) <= replay_buffer.IDLE_TTL_S


async def test_numbers_are_contiguous_and_start_at_the_clock(queue: Settings) -> None:
    for _ in range(3):
        await live.publish([beat()], [event()])
    numbers = [seq async for seq, _ in replay_buffer.messages_since(queues.client(), "events", 0)]
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
    assert numbers[0] > 1_600_000_000_000


async def test_messages_in_the_replay_buffer_have_their_number(queue: Settings) -> None:
    await live.publish(heartbeats=[beat(msg='"seq":0, "seq":')])
    ((seq, text),) = [entry async for entry in replay_buffer.messages_since(queues.client(), "heartbeats", 0)]
    assert text.startswith(b'{"type":"heartbeats","seq":%d,"channel"' % seq)


async def test_a_redis_that_is_away_does_not_stop_the_ingest(settings: Settings) -> None:
    await queues.start(replace(settings, redis_url="unix:///nowhere/valkey.sock"))
    await live.publish([beat()], [event()])
    await live.publish([], [event()])
    await queues.stop()
    assert replay_buffer._unpublished == {"heartbeats": 1, "events": 2}


async def test_unpublished_messages_leave_a_gap_in_the_numbers(queue: Settings) -> None:
    await live.publish(events=[event()])
    replay_buffer._unpublished["events"] = 3
    await live.publish(events=[event()])
    first, second = [seq async for seq, _ in replay_buffer.messages_since(queues.client(), "events", 0)]
    assert second - first == 4
    assert not replay_buffer._unpublished


@pytest.mark.parametrize("received", [{}, {"events": 5}])
async def test_counters_are_made_at_the_clock_and_then_left_alone(queue: Settings, received: dict[str, int]) -> None:
    newest = await replay_buffer.sync_counters(queues.client(), received)
    assert all(number > 1_600_000_000_000 for number in newest.values())
    assert await replay_buffer.sync_counters(queues.client(), newest) == newest
