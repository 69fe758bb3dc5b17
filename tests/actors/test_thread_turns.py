"""Threads take short turns while alerts are on their way, and usual ones before and after."""

import asyncio
import sys

import pytest

from actors import thread_turns
from actors.thread_turns import SHORT_S, USUAL_S, ThreadTurns


@pytest.fixture(autouse=True)
def usual():
    before = sys.getswitchinterval()
    sys.setswitchinterval(USUAL_S)
    yield
    sys.setswitchinterval(before)


async def until_usual() -> None:
    async with asyncio.timeout(20):
        while sys.getswitchinterval() != pytest.approx(USUAL_S):
            await asyncio.sleep(0.005)


async def test_turns_are_short_until_the_last_alert_is_over(monkeypatch):
    monkeypatch.setattr(thread_turns, "ALERT_S", 0.02)
    turns = ThreadTurns()
    for _ in range(2):
        turns.shorten()
        assert sys.getswitchinterval() == pytest.approx(SHORT_S)
        await until_usual()


async def test_a_further_alert_keeps_turns_short(monkeypatch):
    times = [100.0]
    monkeypatch.setattr(thread_turns, "monotonic", lambda: times[0])
    turns = ThreadTurns()
    turns.shorten()
    times[0] += thread_turns.ALERT_S - 0.1
    turns.shorten()
    times[0] += 0.1
    turns._end()
    assert sys.getswitchinterval() == pytest.approx(SHORT_S)
    times[0] += thread_turns.ALERT_S
    turns._end()
    assert sys.getswitchinterval() == pytest.approx(USUAL_S)
