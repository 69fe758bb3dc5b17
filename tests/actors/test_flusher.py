"""The flusher hands on in groups: at once when it matters, never losing what waits."""

import asyncio

from actors.flusher import HURRY_S, Flusher


class Away(Exception):  # noqa: N818  # what a sink that is away raises
    pass


def flusher(sink, **changes) -> Flusher[int]:
    made = Flusher(sink, **{"every_s": 30.0, "most": 10, "patient_with": (Away,), **changes})
    made.start()
    return made


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_what_matters_takes_everything_that_waits_along():
    groups: list[list[int]] = []
    made = flusher(lambda group: _note(groups, group))
    made.add(1)
    made.add(2, at_once=True)
    await until(lambda: groups == [[1, 2]])
    await made.close()


async def test_what_follows_on_the_heels_of_what_mattered_leaves_together():
    groups: list[list[int]] = []
    made = flusher(lambda group: _note(groups, group), pace_s=600.0)
    made.add(1, at_once=True)
    await until(lambda: groups == [[1]])
    for number in (2, 3):
        made.add(number, at_once=True)
        await asyncio.sleep(2 * HURRY_S)
    assert groups == [[1]]
    await made.close()  # waits for no company
    assert groups == [[1], [2, 3]]


async def test_a_full_group_waits_for_no_pace():
    groups: list[list[int]] = []
    made = flusher(lambda group: _note(groups, group), pace_s=600.0)
    made.add(0, at_once=True)
    await until(lambda: groups == [[0]])
    for number in range(10):
        made.add(number)
    await until(lambda: groups == [[0], [*range(10)]])
    await made.close()


async def test_an_everyday_item_waits_for_company():
    groups: list[list[int]] = []
    made = flusher(lambda group: _note(groups, group), every_s=0.05)
    made.add(1)
    made.add(2)
    await until(lambda: groups == [[1, 2]])
    await made.close()


async def test_a_group_is_never_larger_than_wanted():
    groups: list[list[int]] = []
    made = flusher(lambda group: _note(groups, group))
    for number in range(25):
        made.add(number)
    await made.close()
    assert [len(group) for group in groups] == [10, 10, 5]


async def test_nothing_is_lost_while_the_sink_is_away():
    groups, tries = [], []

    async def sink(group):
        tries.append(1)
        if len(tries) < 3:
            raise Away
        groups.append(group)

    made = flusher(sink, every_s=0.01)
    made.add(1)
    await until(lambda: groups == [[1]])
    await made.close()


async def test_beyond_its_limit_the_oldest_go_and_are_counted():
    groups: list[list[int]] = []
    made: Flusher[int] = Flusher(lambda group: _note(groups, group), every_s=9, most=10, kept=3, patient_with=())
    for number in range(5):
        made.add(number)
    made.start()
    await made.close()
    assert (groups, made.dropped) == ([[2, 3, 4]], 2)


async def _note(groups, group):
    groups.append(group)
