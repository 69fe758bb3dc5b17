"""The receiver with failure modes behaves as fault runs configure it."""

from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest

from bench import side
from bench.receiver import Delivery
from bench.side import Side

EVENT = (
    b'{"event":"monitor.up","timestamp":"2026-11-22T12:00:00Z",'
    b'"data":{"monitor":{"name":"t-1"},"started_at":"2026-11-22T11:00:00Z"}}'
)


@pytest.fixture
async def receiver() -> AsyncIterator[Side]:
    async with side.side("bench.moody") as one:
        yield one


async def deliver(receiver: Side, key: str) -> int:
    port = msgspec.json.decode(await receiver.get("/door"))["port"]
    address, headers = f"http://127.0.0.1:{port}/hook", {"X-Webhook-Id": key}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as session,
        session.post(address, data=EVENT, headers=headers) as got,
    ):
        return got.status


async def taken(receiver: Side) -> list[str]:
    return [one.id for one in msgspec.json.decode(await receiver.get("/log"), type=list[Delivery])]


@pytest.mark.parametrize(("mood", "status"), [("fails", 500), ("busy", 429)])
async def test_refused_deliveries_are_not_recorded(receiver: Side, mood: str, status: int) -> None:
    await receiver.get(f"/mood/{mood}")
    assert await deliver(receiver, "a") == status
    await receiver.get("/mood/ok")
    assert await deliver(receiver, "b") == 200
    assert await taken(receiver) == ["b"]


async def test_hanging_deliveries_are_recorded(receiver: Side) -> None:
    await receiver.get("/mood/hangs")
    with pytest.raises(TimeoutError):
        await deliver(receiver, "a")
    assert await taken(receiver) == ["a"]


async def test_it_refuses_connections_until_it_is_restored(receiver: Side) -> None:
    await receiver.get("/mood/refuses")
    with pytest.raises(aiohttp.ClientConnectorError):
        await deliver(receiver, "a")
    await receiver.get("/mood/ok")
    assert await deliver(receiver, "b") == 200


async def test_it_reports_when_the_outage_began(receiver: Side) -> None:
    await deliver(receiver, "a")
    (delivery,) = msgspec.json.decode(await receiver.get("/log"), type=list[Delivery])
    assert delivery.at_ms - delivery.started_ms == 3_600_000
