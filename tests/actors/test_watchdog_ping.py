"""The dead man's switch: pinged while everything is healthy, silent otherwise."""

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
async def prepared_settings(store: Settings, queue: Settings) -> Settings:
    sealing.prepare(store)
    await due_set.mark_built()
    return store


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


@pytest.fixture
async def context() -> AsyncIterator[SenderContext]:
    kit = make_context()
    yield kit
    await kit.close()


async def run_watchdogs(context: SenderContext, url: str, *nodes: str, receiver: Receiver | None = None) -> None:
    """Workers give their first sign of life; the next one would come after ten seconds.

    to  who is asked by one of them
    """
    running = [asyncio.create_task(watchdog_ping.run(node, url, 10, context.webhook_http)) for node in nodes]
    if receiver is not None:
        await receiver.arrived(1)
    await asyncio.sleep(0.2)
    await tasks.cancel(*running)


async def test_the_watchdog_pings_while_everything_is_healthy(prepared_settings, context, receiver):
    await run_watchdogs(context, f"{receiver.url}/ping/4711", "one", receiver=receiver)
    (arrival,) = receiver.arrivals
    assert (arrival.method, arrival.path) == ("GET", "/ping/4711")


async def test_one_of_several_workers_pings(prepared_settings, context, receiver):
    await run_watchdogs(context, receiver.url, "one", "two", "three", receiver=receiver)
    assert len(receiver.arrivals) == 1


async def test_one_of_several_workers_takes_over_a_lease_without_expiry(prepared_settings, context, receiver):
    await queue.client().set(watchdog_ping.HOLDER_KEY, "a worker that has gone")
    await asyncio.gather(*(queue.client().ping() for _ in range(10)))  # opens a connection for each: none is ahead
    await run_watchdogs(context, receiver.url, *(f"worker {n}" for n in range(10)), receiver=receiver)
    assert len(receiver.arrivals) == 1


async def test_no_lease_is_taken_without_a_ping_url(prepared_settings, context):
    await asyncio.wait_for(watchdog_ping.run("one", "", 1, context.webhook_http), 5)
    assert await queue.client().get(watchdog_ping.HOLDER_KEY) is None


async def test_the_watchdog_does_not_ping_while_checks_are_late(prepared_settings, context, receiver):
    plan = (await monitors.create(make.monitor())).schedules[0]
    await due_set.put_series([plan], first_at_ms=clock.now_ms() - 300_000)
    await run_watchdogs(context, receiver.url, "one")
    assert receiver.arrivals == []


@pytest.mark.parametrize("order", [Order(status=500), Order(status=302, headers={"Location": "/elsewhere"})])
async def test_an_error_response_is_ignored(prepared_settings, context, receiver, order):
    receiver.answer(order)
    await watchdog_ping.ping(receiver.url, context.webhook_http)
    assert len(receiver.arrivals) == 1


async def test_a_refused_connection_is_ignored(prepared_settings, context, free_port):
    await watchdog_ping.ping(f"http://127.0.0.1:{free_port}/", context.webhook_http)


async def test_the_watchdog_ping_follows_the_egress_policy(prepared_settings, context, receiver):
    context.webhook_egress.use_policy(EgressPolicy(allow_private=False))
    await watchdog_ping.ping(receiver.url, context.webhook_http)
    assert receiver.arrivals == []
