"""The dead man's switch: asked while all is well, silent otherwise."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from actors import watchdog_ping
from actors.senders.kit.context import SenderContext, make_context
from app import clock, due_set, queue, tasks
from app.security.secrets import sealing
from app.settings import Settings
from app.store.transactions import monitors
from schema.settings import EgressPolicy
from tests import make
from tests.receiver import Order, Receiver, receiving


@pytest.fixture
async def ground(store: Settings, queue: Settings) -> Settings:
    sealing.prepare(store)
    await due_set.mark_built()
    return store


@pytest.fixture
async def elsewhere() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


@pytest.fixture
async def tools() -> AsyncIterator[SenderContext]:
    kit = make_context()
    yield kit
    await kit.close()


async def given(tools: SenderContext, url: str, *nodes: str, to: Receiver | None = None) -> None:
    """Workers give their first sign of life; the next one would come after ten seconds.

    to  who is asked by one of them
    """
    giving = [asyncio.create_task(watchdog_ping.run(node, url, 10, tools.webhook_http)) for node in nodes]
    if to is not None:
        await to.arrived(1)
    await asyncio.sleep(0.2)
    await tasks.cancel(*giving)


async def test_it_is_given_while_all_is_well(ground, tools, elsewhere):
    await given(tools, f"{elsewhere.url}/ping/4711", "one", to=elsewhere)
    (arrival,) = elsewhere.arrivals
    assert (arrival.method, arrival.path) == ("GET", "/ping/4711")


async def test_of_several_workers_one_gives_it(ground, tools, elsewhere):
    await given(tools, elsewhere.url, "one", "two", "three", to=elsewhere)
    assert len(elsewhere.arrivals) == 1


async def test_of_several_workers_one_takes_over_a_lease_that_never_ends(ground, tools, elsewhere):
    await queue.client().set(watchdog_ping.HOLDER_KEY, "a worker that has gone")
    await asyncio.gather(*(queue.client().ping() for _ in range(10)))  # opens a connection for each: none is ahead
    await given(tools, elsewhere.url, *(f"worker {n}" for n in range(10)), to=elsewhere)
    assert len(elsewhere.arrivals) == 1


async def test_nothing_is_asked_without_an_address(ground, tools):
    await asyncio.wait_for(watchdog_ping.run("one", "", 1, tools.webhook_http), 5)
    assert await queue.client().get(watchdog_ping.HOLDER_KEY) is None


async def test_it_is_withheld_while_checks_are_late(ground, tools, elsewhere):
    plan = (await monitors.create(make.monitor())).schedules[0]
    await due_set.put_series([plan], first_at_ms=clock.now_ms() - 300_000)
    await given(tools, elsewhere.url, "one")
    assert elsewhere.arrivals == []


@pytest.mark.parametrize("order", [Order(status=500), Order(status=302, headers={"Location": "/elsewhere"})])
async def test_an_answer_that_is_none_hurts_nobody(ground, tools, elsewhere, order):
    elsewhere.answer(order)
    await watchdog_ping.ping(elsewhere.url, tools.webhook_http)
    assert len(elsewhere.arrivals) == 1


async def test_nobody_there_hurts_nobody(ground, tools, free_port):
    await watchdog_ping.ping(f"http://127.0.0.1:{free_port}/", tools.webhook_http)


async def test_it_goes_through_the_door(ground, tools, elsewhere):
    tools.webhook_egress.use_policy(EgressPolicy(allow_private=False))
    await watchdog_ping.ping(elsewhere.url, tools.webhook_http)
    assert elsewhere.arrivals == []
