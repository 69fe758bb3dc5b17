"""Whatever breaks under a transaction: afterwards every connection of the pool can be used, and nothing hangs."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import asyncpg
import pytest
from piccolo.apps.migrations.tables import Migration

from app import db, migrate
from app.errors import Unavailable
from tests.cluster import Cluster, running_cluster

CONNECTIONS = 4
OWNER = "ALTER ROLE watchkeeper"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as one:
        yield one


@pytest.fixture
async def opened(cluster: Cluster) -> AsyncIterator[Cluster]:
    """Opened in this process, with a table to write to."""
    await cluster.execute("CREATE TABLE IF NOT EXISTS notes (n BIGINT PRIMARY KEY); TRUNCATE notes")
    await db.start(cluster.settings, connections=CONNECTIONS)
    yield cluster
    await db.stop()


async def all_usable() -> None:
    """As many transactions as there are connections stand open at the same time, and are stored."""
    barrier = asyncio.Barrier(CONNECTIONS)

    async def one() -> None:
        async with db.transaction():
            await db.rows("SELECT 1")
            await barrier.wait()

    async with asyncio.timeout(20):
        await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
        assert [row["one"] for row in await db.rows("SELECT 1 AS one")] == [1]


async def write_once(pause_s: float = 0.0) -> bool:
    """A transaction of two statements; False when the database could not just now. A bug would raise."""
    try:
        async with db.transaction():
            await db.rows("SELECT 1")
            await asyncio.sleep(pause_s)
            await db.rows("SELECT 2")
    except db.TRANSIENT_ERRORS:
        return False
    return True


async def write_until(stop: asyncio.Event, went: list[bool]) -> None:
    chance = random.Random(len(went))
    while not stop.is_set():
        went.append(await write_once(chance.random() / 200))
        await asyncio.sleep(0.001)


async def under_writers(fault: "asyncio.Task[None]", writers: int = 10) -> list[bool]:
    """Transactions side by side while something breaks; how each of them went."""
    stop, went = asyncio.Event(), list[bool]()
    async with asyncio.timeout(50):
        tasks = [asyncio.create_task(write_until(stop, went)) for _ in range(writers)]
        await fault
        stop.set()
        await asyncio.gather(*tasks)
    return went


async def test_connections_cut_within_transactions_come_back(opened: Cluster) -> None:
    async def cut_often() -> None:
        for _ in range(60):
            await opened.cut("state = 'idle in transaction'")

    went = await under_writers(asyncio.create_task(cut_often()))
    assert False in went
    await all_usable()


async def test_transactions_that_idle_too_long_give_their_connections_back(opened: Cluster) -> None:
    await opened.execute(f"{OWNER} SET idle_in_transaction_session_timeout = '1ms'")
    await opened.cut()
    went = [await write_once(pause_s=0.02) for _ in range(3 * CONNECTIONS)]
    await opened.execute(f"{OWNER} RESET idle_in_transaction_session_timeout")
    await opened.cut()
    assert True not in went
    await write_until_it_works()
    await all_usable()


async def write_until_it_works() -> None:
    """Connections that were cut while they lay in the pool fail once, each."""
    async with asyncio.timeout(20):
        while not all(await asyncio.gather(*(write_once(0.01) for _ in range(CONNECTIONS)))):
            await asyncio.sleep(0.01)


async def test_restarts_under_ten_writers_lose_no_connection(opened: Cluster) -> None:
    async def restart_often() -> None:
        for how in ("fast", "immediate", "fast", "immediate", "fast", "fast"):
            await opened.restart(how)

    went = await under_writers(asyncio.create_task(restart_often()))
    assert {True, False} <= set(went)
    await write_until_it_works()
    await all_usable()


async def test_a_begin_that_fails_gives_its_connection_back(opened: Cluster) -> None:
    for _ in range(3):
        await all_usable()
        opened.cut_unseen()
        went = await asyncio.gather(*(write_once() for _ in range(2 * CONNECTIONS)))
        assert False in went
    await write_until_it_works()
    await all_usable()


async def test_tasks_cancelled_at_any_moment_give_their_connections_back(opened: Cluster) -> None:
    chance = random.Random(7)

    async def cancelled_once(number: int) -> None:
        task = asyncio.create_task(store(number, chance.random() / 500))
        await asyncio.sleep(chance.random() / 100)
        task.cancel()
        task.cancel()
        await asyncio.wait([task])

    async with asyncio.timeout(50):
        for first in range(0, 300, 10):
            await asyncio.gather(*(cancelled_once(first + one) for one in range(10)))
    await all_usable()
    left = await db.rows("SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory'")
    assert left[0]["n"] == 0


async def store(number: int, pause_s: float) -> None:
    async with db.transaction():
        await db.rows("SELECT pg_advisory_xact_lock(7)")
        await db.rows("INSERT INTO notes VALUES (?1)", number)
        await asyncio.sleep(pause_s)


async def test_waiting_for_a_connection_times_out(opened: Cluster) -> None:
    released, ready = asyncio.Event(), asyncio.Barrier(CONNECTIONS + 1)

    async def hold() -> None:
        async with db.transaction():
            await ready.wait()
            await released.wait()

    holders = [asyncio.create_task(hold()) for _ in range(CONNECTIONS)]
    await ready.wait()
    found = await asyncio.gather(db.rows("SELECT 1"), Migration.count(), hold(), db.ping(), return_exceptions=True)
    released.set()
    await asyncio.gather(*holders)
    assert [isinstance(one, (*db.TRANSIENT_ERRORS, Unavailable)) for one in found] == [True] * 4, found
    await all_usable()


async def test_closing_does_not_wait_for_what_never_ends(cluster: Cluster) -> None:
    await db.start(cluster.settings, connections=CONNECTIONS)
    endless = asyncio.create_task(db.rows("SELECT pg_sleep(25)"))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(20):
        await db.stop()
    with pytest.raises(db.TRANSIENT_ERRORS):
        await endless


async def test_a_closed_pool_opens_no_connection(cluster: Cluster) -> None:
    await db.start(cluster.settings, connections=CONNECTIONS)
    await db.stop()
    for queries in (db.rows("SELECT 1"), Migration.count().run()):
        with pytest.raises(db.TRANSIENT_ERRORS):
            await queries


async def test_a_swallowed_failure_is_no_success(opened: Cluster) -> None:
    await db.rows("INSERT INTO notes VALUES (1)")

    async def careless() -> None:
        async with db.transaction():
            await db.rows("INSERT INTO notes VALUES (2)")
            with pytest.raises(asyncpg.UniqueViolationError):
                await db.rows("INSERT INTO notes VALUES (1)")

    with pytest.raises(asyncpg.UniqueViolationError):
        await careless()
    assert [row["n"] for row in await db.rows("SELECT n FROM notes")] == [1]


async def test_a_failed_transaction_fails_for_its_first_reason(opened: Cluster) -> None:
    async def careless() -> None:
        async with db.transaction():
            await db.rows("SET LOCAL statement_timeout = '20ms'")
            with pytest.raises(asyncpg.QueryCanceledError):
                await db.rows("SELECT pg_sleep(9)")
            await db.rows("SELECT 1")

    with pytest.raises(asyncpg.QueryCanceledError):
        await careless()
    await all_usable()


async def test_an_argument_that_does_not_fit_is_no_outage(opened: Cluster) -> None:
    with pytest.raises(asyncpg.DataError) as found:
        await db.rows("SELECT * FROM notes WHERE n = ?1", 2**80)
    assert not isinstance(found.value, db.TRANSIENT_ERRORS)
    await all_usable()


async def test_a_standby_is_left_for_the_primary_once_there_is_one(opened: Cluster) -> None:
    await all_usable()
    await opened.execute(f"{OWNER} SET default_transaction_read_only = on")
    await opened.cut()
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await stored_or_readonly()
    await opened.execute("SET default_transaction_read_only = off", f"{OWNER} RESET default_transaction_read_only")
    await db.rows("INSERT INTO notes VALUES (5)")  # over a connection that was opened since
    await all_usable()


async def stored_or_readonly() -> None:
    """Write until a connection is one that only reads; those that were cut fail once."""
    async with asyncio.timeout(20):
        for number in range(1000, 2000):
            try:
                await db.rows("INSERT INTO notes VALUES (?1)", number)
            except asyncpg.ReadOnlySQLTransactionError:
                raise
            except db.TRANSIENT_ERRORS:
                await asyncio.sleep(0.01)


async def test_a_server_that_is_away_is_away_for_a_migration(cluster: Cluster) -> None:
    with pytest.raises(migrate.DatabaseUnavailable):
        await migrate.run(replace(cluster.settings, db_port=1))
