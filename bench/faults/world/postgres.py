"""PostgreSQL breaks transactions, restarts under writers, and takes no writes."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
from msgspec.structs import replace

from bench.faults.api_user import ApiUser
from bench.faults.background import beside
from bench.faults.postgres import USER, Cluster
from bench.faults.world.scenario import Scenario
from bench.faults.world.stage import WELL_S, World

WRITERS = 10
READS, WRITES = ("200", "503"), ("201", "503")
PAUSE_S = (0.0, 0.1)  # between two terminations
RESTARTS = ("fast", "immediate", "fast")
APART_S = 3.0  # between two restarts
ROUND_S = 2.0  # of writes
SLEEPY_S = 10  # a transaction of ours that does nothing for so long is a leak
TERMINATE = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    " AND backend_type = 'client backend' AND xact_start IS NOT NULL AND usename = current_user"
)
LEAKED = (
    "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
    f" AND state_change < now() - interval '{SLEEPY_S} s'"
)


def scenarios() -> list[Scenario]:
    """What PostgreSQL does to those who use it. Whatever it did, no connection may be lost to it."""
    every = [
        Scenario(name="connections terminated inside transactions", fault=_terminated, hold_s=20.0, is_short=True),
        Scenario(name="three restarts under ten writers", fault=_restarted, is_short=True),
        Scenario(name="read only for 15 s", fault=_read_only, hold_s=15.0),
    ]
    return [replace(one, afterwards=_whole) for one in every]


@asynccontextmanager
async def _terminated(world: World) -> AsyncIterator[None]:
    async with _writers(world), beside(_terminate(world), "terminate"):
        yield


async def _terminate(world: World) -> None:
    """Whoever is inside of a transaction loses their connection, again and again."""
    connection, times = await _connected(world.cluster), 0
    try:
        while True:
            times += await connection.fetchval(TERMINATE)
            await asyncio.sleep(world.chance.uniform(*PAUSE_S))
    finally:
        world.notes.append(f"{times} transactions broken")
        connection.terminate()


@asynccontextmanager
async def _restarted(world: World) -> AsyncIterator[None]:
    async with _writers(world):
        for how in RESTARTS:
            await world.cluster.stop(how)
            await world.cluster.start()
            await asyncio.sleep(APART_S)
        yield


@asynccontextmanager
async def _read_only(world: World) -> AsyncIterator[None]:
    async with _writers(world):
        await _limit(world.cluster, "SET default_transaction_read_only = on")
        try:
            yield
        finally:
            await _limit(world.cluster, "RESET default_transaction_read_only")


async def _limit(cluster: Cluster, change: str) -> None:
    connection = await _connected(cluster)
    await connection.execute(f"ALTER SYSTEM {change}")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


@asynccontextmanager
async def _writers(world: World) -> AsyncIterator[None]:
    """Ten who read and write; whatever they got but success or 503 is a trouble."""
    async with AsyncExitStack() as stack:
        api_users = [await stack.enter_async_context(ApiUser(world.scene.installation)) for _ in range(WRITERS)]
        yield
    reads = sum((one.reads for one in api_users), start=Counter[str]())
    writes = sum((one.writes for one in api_users), start=Counter[str]())
    slowest_s = max(one.slowest_s for one in api_users)
    world.troubles += sorted({line for one in api_users for line in one.troubles(READS, WRITES)})
    world.notes.append(f"reads {dict(reads)}, writes {dict(writes)}, slowest {slowest_s:.1f} s")


async def _whole(world: World) -> None:
    """As many as there are connections write at once, and no transaction of ours is asleep."""
    until = time.monotonic() + WELL_S
    while trouble := await _leak(world):
        if time.monotonic() > until:
            world.troubles.append(trouble)
            return
        await asyncio.sleep(1)


async def _leak(world: World) -> str:
    """Signs that connections were not returned; empty when there are none."""
    async with AsyncExitStack() as stack:
        api_users = [await stack.enter_async_context(ApiUser(world.scene.installation)) for _ in range(WRITERS)]
        await asyncio.sleep(ROUND_S)
    odd = sorted({line for one in api_users for line in one.troubles()})
    if odd or not all(one.writes for one in api_users):
        return f"{WRITERS} writers at once, long after: {'; '.join(odd) or 'some have no answer'}"
    connection = await _connected(world.cluster)
    asleep = await connection.fetchval(LEAKED)
    await connection.close()
    return f"{asleep} transactions sleep" if asleep else ""


async def _connected(cluster: Cluster) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(host="127.0.0.1", port=cluster.port, user=USER, database=cluster.environ["DB_NAME"])
