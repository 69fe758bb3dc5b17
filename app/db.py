"""The database: one engine per process, used through `transaction`, `rows` and Piccolo's queries.

Both engines return every connection in every case, and every wait has a timeout. Never run anything concurrently
inside of `transaction()`: its one connection is shared by every task started there.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import aiosqlite
import asyncpg
from piccolo.engine.sqlite import TransactionType
from piccolo.table import TABLE_REGISTRY

from app.errors import Unavailable
from app.postgres_engine import PooledPostgres
from app.settings import Settings
from app.sqlite_engine import BUSY_TIMEOUT_S, SqliteEngine

# Errors of a database that is temporarily unavailable: workers retry, the API answers 503.
TRANSIENT_ERRORS = (
    aiosqlite.OperationalError,  # locked, full, read-only, a disk that fails; and the file is damaged
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # PostgreSQL shuts down or starts up, or a statement timed out
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.TransactionRollbackError,  # deadlocks, serialization
    asyncpg.LockNotAvailableError,
    asyncpg.ObjectInUseError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or a primary that became one
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.InvalidCachedStatementError,  # a table changed under a statement that was prepared
    asyncpg.SnapshotTooOldError,
    asyncpg.InvalidAuthorizationSpecificationError,  # the password or the server's rules changed
    asyncpg.InvalidCatalogNameError,  # the database is being restored
    asyncpg.InsufficientPrivilegeError,
    asyncpg.PostgresSystemError,  # its disk fails
    asyncpg.InternalServerError,  # its files are damaged
    asyncpg.InterfaceError,  # the connection ended
    asyncpg.InternalClientError,  # the connection ended in the middle of a response
    OSError,  # no connection, and no connection in time
)
_STRAY_MARK = re.compile(r"\?(?!\d)")
_EACH = re.compile(r"\{each:(\d+)\}")
_ARRAY = re.compile(r"\{array:([\w.]+)\}")
UNMIGRATED = (aiosqlite.OperationalError, asyncpg.UndefinedTableError)  # the database is older than this code

_engine: Any = None  # one of Piccolo's; they have no common typed interface


def engine() -> Any:
    """The process's engine; call `prepare` first."""
    if _engine is None:
        raise RuntimeError("db.prepare(settings) was not called")
    return _engine


def is_sqlite() -> bool:
    """Whether the database is SQLite."""
    return bool(engine().engine_type == "sqlite")


def prepare(settings: Settings) -> None:
    """Create the engine. Opens no connection."""
    os.environ["PICCOLO_CONF"] = "app.piccolo_conf"
    if settings.db_type == "sqlite":
        Path(settings.db_path).parent.mkdir(parents=True, exist_ok=True)
        use_engine(SqliteEngine(settings.db_path))
    else:
        use_engine(PooledPostgres(config=settings.postgres_dsn_parts(), extensions=()))


def use_engine(engine: Any) -> None:
    """Have statements and Piccolo's queries run on this engine; `prepare` calls it."""
    global _engine  # noqa: PLW0603  # one engine per process, as Piccolo requires
    _engine = engine
    for table in TABLE_REGISTRY:
        table._meta.db = _engine  # noqa: SLF001  # Piccolo's own way to change a table's engine


async def start(settings: Settings, *, connections: int = 10) -> None:
    """Open connections on the running loop."""
    prepare(settings)
    await engine().start_connection_pool(connections=connections)


async def stop() -> None:
    """Close every connection of this process."""
    await engine().close_connection_pool()


@asynccontextmanager
async def transaction() -> AsyncIterator[None]:
    """One transaction that writes. Never nested: its opener decides what is stored together."""
    if not is_sqlite():
        async with engine().transaction(allow_nested=False):
            yield
        return
    immediate = engine().transaction(transaction_type=TransactionType.immediate, allow_nested=False)
    async with _write_lock(), immediate:
        yield


@asynccontextmanager
async def _write_lock() -> AsyncIterator[None]:
    """The process's write lock: SQLite lets waiting writers starve, this lock is first come, first served."""
    lock: asyncio.Lock = engine().write_lock
    async with asyncio.timeout(BUSY_TIMEOUT_S):
        await lock.acquire()
    try:
        yield
    finally:
        lock.release()


@cache
def _for_engine(sql: str, engine_type: str) -> str:
    """Translate parameters (`?1`, in PostgreSQL `$1`), `{each:1}` and `{array:x}`, described at `rows`.

    Raises ValueError for a `?` that is no parameter: PostgreSQL would get a `$` in its place, and SQLite a parameter.
    """
    if stray := _STRAY_MARK.search(sql):
        raise ValueError(f"a '?' without a number at character {stray.start()} of: {sql}")
    if engine_type == "sqlite":
        return _ARRAY.sub(r"json_group_array(\1)", _EACH.sub(r"json_each(?\1) AS each", sql))
    sql = _ARRAY.sub(r"json_agg(\1)::text", sql)
    return _EACH.sub(r"json_array_elements(?\1::text::json) AS each", sql).replace("?", "$")


async def rows(sql: str, *args: Any) -> Any:
    """Run one statement, inside the current transaction if there is one.

    sql      parameters are ?1, ?2 …; `{each:1}` is a row source `each(value)` over the JSON array in ?1,
             whose fields read `value->>0`: a batch is one statement on both engines;
             `{array:x}` collects a column of the rows as JSON text: NULL or `[]` when there are none
    returns  rows with row["column"]
    """
    return await engine().run(_for_engine(sql, engine().engine_type), args)


async def advisory_lock(number: int) -> None:
    """Take PostgreSQL's lock of this number until the transaction ends: whoever else takes it waits.

    SQLite needs none, since it has one writer. On CockroachDB it is a no-op, but transactions are serializable.
    """
    if not is_sqlite():
        await rows("SELECT pg_advisory_xact_lock(?1)", number)


async def require_writable() -> None:
    """Raise Unavailable when the database accepts no writes, as a standby. SQLite is not checked."""
    if is_sqlite():
        return
    try:
        (row,) = await rows("SELECT current_setting('transaction_read_only') AS read_only")
    except TRANSIENT_ERRORS as error:
        raise Unavailable("The database is not responding.") from error
    if row["read_only"] != "off":
        raise Unavailable("The database takes no writes.")


async def ping() -> None:
    """Raise Unavailable when the database does not answer."""
    try:
        async with asyncio.timeout(BUSY_TIMEOUT_S):
            await rows("SELECT 1 AS one")
    except TRANSIENT_ERRORS as error:
        raise Unavailable("The database is not responding.") from error
