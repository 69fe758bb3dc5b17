"""The tests' own receiver: what it records, and that it answers as ordered."""

import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.receiver import HUNG, Order, receiving

ROOT = Path(__file__).parents[1]


async def test_every_arrival_is_recorded_and_accepted_ones_are_counted() -> None:
    async with receiving() as receiver, aiohttp.ClientSession() as http:
        receiver.answer(Order(status=500, times=1))
        for _ in range(3):
            async with http.post(f"{receiver.url}/hook?a=1", data=b"{}", headers={"X-Webhook-Id": "d1"}):
                pass
        arrivals = await receiver.arrived(3)
        assert [(one.id, one.path, one.body, one.answered) for one in arrivals] == [
            ("d1", "/hook?a=1", b"{}", status) for status in (500, 200, 200)
        ]
        assert receiver.accepted() == {"d1": 2}


async def test_a_hanging_receiver_accepts_nothing_and_the_caller_times_out() -> None:
    async with receiving() as receiver, aiohttp.ClientSession() as http:
        receiver.answer(Order(hang=True))
        with pytest.raises(TimeoutError):
            await http.post(receiver.url, timeout=aiohttp.ClientTimeout(total=0.1))
        assert [one.answered for one in receiver.arrivals] == [HUNG]
        assert not receiver.accepted()


async def test_waiting_for_a_missing_delivery_times_out() -> None:
    async with receiving() as receiver:
        with pytest.raises(TimeoutError):
            await receiver.arrived(1, within_s=0.01)


async def test_a_receiver_process_is_controlled_over_http() -> None:
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.receiver"), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert started.stdout
    url = (await started.stdout.readline()).decode().strip()
    try:
        await _command_it(url)
    finally:
        started.kill()
        await started.communicate()


async def _command_it(url: str) -> None:
    async with aiohttp.ClientSession(url) as http:
        await http.put("/_control/orders", json={"status": 429, "headers": {"Retry-After": "2"}, "times": 1})
        answered = await http.post("/hook", data=b"{}", headers={"X-Webhook-Id": "d1"})
        assert (answered.status, answered.headers["Retry-After"]) == (429, "2")
        arrivals = await (await http.get("/_control/arrivals")).json()
        assert [(one["id"], one["answered"]) for one in arrivals] == [("d1", 429)]
        await http.delete("/_control/arrivals")
        assert await (await http.get("/_control/arrivals")).json() == []
