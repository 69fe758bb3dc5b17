"""The receiver with failure modes behaves as fault runs configure it."""

from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest

from bench import programs
from bench.programs import ControlledProgram
from bench.receiver import Delivery

EVENT = (
    b'{"event":"monitor.up","timestamp":"2026-11-22T12:00:00Z",'
    b'"data":{"monitor":{"name":"t-1"},"started_at":"2026-11-22T11:00:00Z"}}'
)


@pytest.fixture
async def receiver() -> AsyncIterator[ControlledProgram]:
    async with programs.controlled("bench.faulty_receiver") as one:
        yield one


async def deliver(receiver: ControlledProgram, key: str) -> int:
    port = msgspec.json.decode(await receiver.get("/delivery-port"))["port"]
    address, headers = f"http://127.0.0.1:{port}/hook", {"X-Webhook-Id": key}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as session,
        session.post(address, data=EVENT, headers=headers) as got,
    ):
        return got.status


async def taken(receiver: ControlledProgram) -> list[str]:
    return [one.id for one in msgspec.json.decode(await receiver.get("/log"), type=list[Delivery])]


@pytest.mark.parametrize(("mode", "status"), [("fails", 500), ("busy", 429)])
async def test_refused_deliveries_are_not_recorded(receiver: ControlledProgram, mode: str, status: int) -> None:
    await receiver.get(f"/mode/{mode}")
    assert await deliver(receiver, "a") == status
    await receiver.get("/mode/ok")
    assert await deliver(receiver, "b") == 200
    assert await taken(receiver) == ["b"]


@pytest.mark.parametrize("mode", ["hangs", "late"])
async def test_deliveries_without_an_answer_in_time_are_recorded(receiver: ControlledProgram, mode: str) -> None:
    await receiver.get(f"/mode/{mode}")
    with pytest.raises(TimeoutError):
        await deliver(receiver, "a")
    await receiver.get("/mode/ok")
    await deliver(receiver, "b")
    found = msgspec.json.decode(await receiver.get("/log"), type=list[Delivery])
    assert [(one.id, one.is_answered) for one in found] == [("a", False), ("b", True)]


async def test_connections_are_refused_until_the_receiver_is_restored(receiver: ControlledProgram) -> None:
    await receiver.get("/mode/refuses")
    with pytest.raises(aiohttp.ClientConnectorError):
        await deliver(receiver, "a")
    await receiver.get("/mode/ok")
    assert await deliver(receiver, "b") == 200


async def test_a_delivery_reports_when_its_outage_began(receiver: ControlledProgram) -> None:
    await deliver(receiver, "a")
    (delivery,) = msgspec.json.decode(await receiver.get("/log"), type=list[Delivery])
    assert delivery.at_ms - delivery.started_ms == 3_600_000
