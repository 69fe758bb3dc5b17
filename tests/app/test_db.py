"""Temporary database errors are retryable on both engines, our own are not, and connections return to the pool."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from app import db
from app.settings import Settings
from app.sqlite_engine import CONNECTIONS

PASSING = [
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.ConnectionFailureError,
    asyncpg.ProtocolViolationError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
    asyncpg.DiskFullError,
    asyncpg.OutOfMemoryError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.ObjectInUseError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
    asyncpg.SnapshotTooOldError,
    asyncpg.InvalidPasswordError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.PostgresIOError,
    asyncpg.DataCorruptedError,
    asyncpg.InternalServerError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.ProtocolError,
    sqlite3.OperationalError,
    ConnectionRefusedError,
    ConnectionResetError,
    TimeoutError,
]
OURS = [
    asyncpg.UniqueViolationError,
    asyncpg.ForeignKeyViolationError,
    asyncpg.NotNullViolationError,
    asyncpg.DataError,
    asyncpg.CharacterNotInRepertoireError,
    asyncpg.UntranslatableCharacterError,
    asyncpg.NumericValueOutOfRangeError,
    asyncpg.PostgresSyntaxError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.InFailedSQLTransactionError,
    asyncpg.RaiseError,
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    RuntimeError,
    ValueError,
    KeyError,
]


@pytest.mark.parametrize("error", PASSING, ids=lambda one: one.__name__)
def test_temporary_failures_are_transient_errors(error: type[Exception]) -> None:
    assert issubclass(error, db.TRANSIENT_ERRORS)


@pytest.mark.parametrize("error", OURS, ids=lambda one: one.__name__)
def test_data_and_programming_errors_are_not_transient(error: type[Exception]) -> None:
    assert not issubclass(error, db.TRANSIENT_ERRORS)


@pytest.fixture
async def file(settings: Settings, tmp_path: Path) -> AsyncIterator[Path]:
    """A SQLite database that is open, with one table."""
    path = tmp_path / "one.sqlite3"
    await db.start(replace(settings, db_type="sqlite", db_path=str(path)))
    await db.rows("CREATE TABLE notes (text TEXT)")
    yield path
    await db.stop()


async def write(text: str = "one") -> None:
    async with db.transaction():
        await db.rows("INSERT INTO notes VALUES (?1)", text)


async def all_usable() -> None:
    """As many connections as a process may have are in use at the same time, and one of them writes."""
    held = [await db.engine().get_connection() for _ in range(CONNECTIONS)]
    for one in held:
        await one.close()
    await write()


async def test_a_full_disk_is_trouble_and_passes(file: Path) -> None:
    for one in [await db.engine().get_connection() for _ in range(CONNECTIONS)]:
        await one.execute("PRAGMA max_page_count = 10")
        await one.close()
    with pytest.raises(db.TRANSIENT_ERRORS, match="full"):
        await write("x" * 100_000)
    await all_usable()


async def test_a_file_that_may_only_be_read_is_trouble(file: Path) -> None:
    for one in [await db.engine().get_connection() for _ in range(CONNECTIONS)]:
        await one.execute("PRAGMA query_only = ON")
        await one.close()
    with pytest.raises(db.TRANSIENT_ERRORS, match="readonly"):
        await write()


async def test_a_locked_file_is_trouble_and_passes(file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(db.TRANSIENT_ERRORS, match="locked"):
        await write()
    other.execute("ROLLBACK")
    other.close()
    await all_usable()


async def test_a_damaged_file_is_trouble(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "damaged.sqlite3"
    path.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(db.TRANSIENT_ERRORS, match="not a database"):
        await db.start(replace(settings, db_type="sqlite", db_path=str(path)))


async def test_a_cancelled_waiter_keeps_no_lock(file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(write())
    await asyncio.sleep(0.1)  # its BEGIN is in the connection's thread
    waiting.cancel()
    await asyncio.wait([waiting])
    other.execute("ROLLBACK")
    async with asyncio.timeout(20):
        while db.engine()._closing:
            await asyncio.sleep(0.01)
    other.execute("BEGIN IMMEDIATE")  # nobody holds it
    other.execute("ROLLBACK")
    other.close()
    await all_usable()


async def test_writers_cancelled_at_any_moment_give_their_connections_back(file: Path) -> None:
    for delay_ms in range(60):
        task = asyncio.create_task(write())
        await asyncio.sleep(delay_ms / 20_000)
        task.cancel()
        await asyncio.wait([task])
    await all_usable()


async def test_a_task_that_outlives_its_transaction_writes_into_no_other(file: Path) -> None:
    go = asyncio.Event()

    async def late() -> None:
        await go.wait()
        await db.rows("INSERT INTO notes VALUES ('late')")

    async with db.transaction():
        task = asyncio.create_task(late())
    go.set()
    with pytest.raises(RuntimeError, match="has ended"):
        await task
    assert await db.rows("SELECT * FROM notes") == []


async def test_waiting_for_a_connection_times_out(file: Path) -> None:
    held = [await db.engine().get_connection() for _ in range(CONNECTIONS)]
    with pytest.raises(db.TRANSIENT_ERRORS):
        await db.rows("SELECT 1")
    for one in held:
        await one.close()
    await all_usable()


@pytest.mark.parametrize("sql", ["SELECT '?'", "SELECT 1 WHERE data ? 'key'", "SELECT ?1 || '?1?'"])
async def test_a_question_mark_that_is_no_parameter_is_refused(database: Settings, sql: str) -> None:
    with pytest.raises(ValueError, match=r"a '\?' without a number"):
        await db.rows(sql, "a")
