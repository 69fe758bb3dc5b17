"""The tests' own receiver: what it records, and that it answers as ordered."""

import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.receiver import HUNG, Order, receiving

ROOT = Path(__file__).parents[1]


async def test_it_remembers_what_arrived_and_counts_what_it_took() -> None:
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


async def test_it_hangs_until_the_caller_gives_up() -> None:
    async with receiving() as receiver, aiohttp.ClientSession() as http:
        receiver.answer(Order(hang=True))
        with pytest.raises(TimeoutError):
            await http.post(receiver.url, timeout=aiohttp.ClientTimeout(total=0.1))
        assert [one.answered for one in receiver.arrivals] == [HUNG]
        assert not receiver.accepted()


async def test_it_fails_without_a_delivery() -> None:
    async with receiving() as receiver:
        with pytest.raises(TimeoutError):
            await receiver.arrived(1, within_s=0.01)


async def test_it_obeys_over_http_in_a_process_of_its_own() -> None:
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
