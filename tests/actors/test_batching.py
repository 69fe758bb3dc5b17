"""The batcher flushes items in batches, urgent items at once, and never loses a waiting item."""

import asyncio
from itertools import chain

from actors.batching import Batcher


class SinkUnavailable(Exception):  # noqa: N818  # what a sink that is away raises
    pass


def flusher(sink, **changes) -> Batcher[int]:
    made = Batcher(sink, **{"max_wait_s": 30.0, "max_size": 10, "retry_on": (SinkUnavailable,), **changes})
    made.start()
    return made


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_an_urgent_item_flushes_all_waiting_items():
    groups: list[list[int]] = []
    made = flusher(lambda group: _note(groups, group))
    made.add(1)
    made.add(2, urgent=True)
    await until(lambda: groups == [[1, 2]])
    await made.close()


async def test_urgent_items_after_the_first_are_flushed_together():
    groups: list[list[int]] = []
    made = flusher(lambda group: _note(groups, group), urgent_spacing_s=lambda: 600.0)
    made.add(1, urgent=True)
    await until(lambda: groups == [[1]])
    for number in (2, 3):
        made.add(number, urgent=True)
        await asyncio.sleep(0.01)
    assert groups == [[1]]
    await made.close()  # waits for no company
    assert groups == [[1], [2, 3]]


async def test_a_full_group_waits_for_no_pace():
    groups: list[list[int]] = []
    made = flusher(lambda group: _note(groups, group), urgent_spacing_s=lambda: 600.0)
    made.add(0, urgent=True)
    await until(lambda: groups == [[0]])
    for number in range(10):
        made.add(number)
    await until(lambda: groups == [[0], [*range(10)]])
    await made.close()


async def test_an_ordinary_item_waits_for_a_batch():
    groups: list[list[int]] = []
    made = flusher(lambda group: _note(groups, group), max_wait_s=0.05)
    made.add(1)
    made.add(2)
    await until(lambda: groups == [[1, 2]])
    await made.close()


async def test_a_batch_never_exceeds_its_maximum_size():
    groups: list[list[int]] = []
    made = flusher(lambda group: _note(groups, group))
    for number in range(25):
        made.add(number)
    await made.close()
    assert [len(group) for group in groups] == [10, 10, 5]


async def test_nothing_is_lost_while_the_sink_is_unavailable():
    groups, tries = [], []

    async def sink(group):
        tries.append(1)
        if len(tries) < 3:
            raise SinkUnavailable
        groups.append(group)

    made = flusher(sink, max_wait_s=0.01)
    made.add(1)
    await until(lambda: groups == [[1]])
    await made.close()


async def test_beyond_its_limit_the_oldest_items_are_dropped_and_counted():
    groups: list[list[int]] = []
    made: Batcher[int] = Batcher(lambda group: _note(groups, group), max_wait_s=9, max_size=10, retry_on=())
    made.max_pending = 3
    for number in range(5):
        made.add(number)
    made.start()
    await made.close()
    assert (groups, made.dropped) == ([[2, 3, 4]], 2)


async def _note(groups, group):
    groups.append(group)


def refusing(bad: set[int], groups: list[list[int]]):
    """A sink that refuses a group for what is in it."""

    async def sink(group):
        if bad & set(group):
            raise ValueError("one of them can't be written")
        groups.append(group)

    return sink


async def test_an_item_that_cannot_be_flushed_does_not_block_others():
    groups: list[list[int]] = []
    made = flusher(refusing({3, 7}, groups), max_size=100)
    for number in range(10):
        made.add(number)
    await made.close()
    assert sorted(chain(*groups)) == [0, 1, 2, 4, 5, 6, 8, 9]
    assert made.dropped == 2


async def test_a_replacement_is_flushed_in_place_of_its_item():
    groups: list[list[int]] = []
    made = flusher(refusing({3}, groups), replace=lambda item, _: item + 100)
    for number in (2, 3, 4):
        made.add(number)
    await made.close()
    assert ([*chain(*groups)], made.dropped) == ([2, 103, 4], 0)


async def test_a_refused_replacement_is_dropped_and_later_items_arrive():
    groups: list[list[int]] = []
    made = flusher(refusing({3}, groups), replace=lambda item, _: item, max_wait_s=0.01)
    made.add(3)
    await until(lambda: made.dropped == 1)
    made.add(4)
    await made.close()
    assert groups == [[4]]


async def test_closing_does_not_wait_for_a_sink_that_never_recovers():
    async def sink(_group):
        raise SinkUnavailable

    made = flusher(sink, max_wait_s=0.01)
    made.add(1)
    await made.close(timeout_s=0.05)
    assert made.oldest_age_s() > 0


async def test_the_age_of_the_oldest_item_is_reported():
    released = asyncio.Event()

    async def sink(_group):
        await released.wait()

    made = flusher(sink, max_wait_s=0.01)
    assert made.oldest_age_s() == 0
    made.add(1)
    await until(lambda: made.oldest_age_s() > 0.1)
    released.set()
    await until(lambda: made.oldest_age_s() == 0)
    await made.close()
