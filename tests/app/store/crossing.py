"""Runs transactions that hold locks against each other, as two processes may at a bad moment (PostgreSQL)."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any

from app import db
from tests.pipeline.waiting import until

_LOCK = 5_201_499
_WAITING = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
_PASS_GATE = (
    "CREATE OR REPLACE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS"
    f" $$ BEGIN PERFORM pg_advisory_xact_lock_shared({_LOCK}); RETURN NEW; END $$"
)


async def crossed(table: str, *transactions: Callable[[], Awaitable[Any]]) -> list[Any]:
    """Run transactions at once; returns their results. Raises the first error, such as a deadlock.

    Each starts when those before it wait, and goes on when all of them do. On its first update of `table` it waits with
    the row locked. SQLite runs one transaction at a time.
    """
    if db.is_sqlite():
        return list(await asyncio.gather(*(_apart(one) for one in transactions)))
    await db.rows(_PASS_GATE)
    await db.rows(f"CREATE TRIGGER gate BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION pass_gate()")
    tasks = list[asyncio.Task[Any]]()
    try:
        async with db.transaction():
            await db.rows(f"SELECT pg_advisory_xact_lock({_LOCK})")
            for transaction in transactions:
                tasks.append(_apart(transaction))
                await _until_waiting(tasks)
        await asyncio.wait(tasks)
    finally:
        await db.rows(f"DROP TRIGGER gate ON {table}")
    return [task.result() for task in tasks]


def _apart(transaction: Callable[[], Awaitable[Any]]) -> asyncio.Task[Any]:
    """A task that is in no transaction of this one's."""

    async def run() -> Any:
        return await transaction()

    return asyncio.create_task(run(), context=Context())


async def _until_waiting(tasks: list[asyncio.Task[Any]]) -> None:
    """Wait until every task waits for a lock, or has ended."""

    async def wait() -> bool:
        (row,) = await _apart(lambda: db.rows(_WAITING))  # a transaction sees the activity of its first look only
        return int(row["n"]) >= sum(not task.done() for task in tasks)

    await until(wait)
