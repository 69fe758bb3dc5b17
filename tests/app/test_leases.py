"""A lease has one holder, whatever was there before, and ends by itself."""

import asyncio

import pytest

from app import leases, queue as queues

KEY, LEASE_MS = "wk:leader", 60_000


async def test_a_lease_has_one_holder_who_extends_it(queue):
    assert await leases.acquire(KEY, "one", LEASE_MS)
    await queues.client().pexpire(KEY, 1_000)
    assert not await leases.acquire(KEY, "two", LEASE_MS)
    assert await leases.acquire(KEY, "one", LEASE_MS)
    assert await queues.client().pttl(KEY) > 1_000


@pytest.mark.parametrize("expiry", [{}, {"px": 10 * LEASE_MS}], ids=["never expires", "set by a fast clock"])
async def test_concurrent_takeovers_leave_one_holder(queue, expiry):
    await queues.client().set(KEY, "gone", **expiry)
    await asyncio.gather(*(queues.client().ping() for _ in range(20)))  # opens a connection for each: none is ahead
    held = await asyncio.gather(*(leases.acquire(KEY, f"worker {n}", LEASE_MS) for n in range(20)))
    assert held.count(True) == 1


async def test_only_the_holder_releases_a_lease(queue):
    await leases.acquire(KEY, "one", LEASE_MS)
    await leases.release(KEY, "two")
    assert await queues.client().get(KEY) == b"one"
    await leases.release(KEY, "one")
    assert await queues.client().get(KEY) is None
