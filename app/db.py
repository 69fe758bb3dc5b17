"""The database: one engine per process, kept connections, and three ways in: `writing`, `rows`, Piccolo.

Both engines give every connection back whatever happens, and no wait in them is without an end. Never run anything
concurrently inside of `writing()`: its one connection is shared by every task started there.
"""

import asyncio
import os
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

# What the two engines call "we can't just now": retried by whoever holds the work, told as 503 to people.
TRANSIENT_ERRORS = (
    aiosqlite.OperationalError,  # locked, full, read-only, a disk that fails; and the file is damaged
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # PostgreSQL shuts down or starts up, or a statement took too long
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
    asyncpg.InternalClientError,  # the connection ended in the middle of an answer
    OSError,  # no connection, and no connection in time
)
UNMIGRATED = (aiosqlite.OperationalError, asyncpg.UndefinedTableError)  # the database is older than this code

_engine: Any = None  # one of Piccolo's; what we use of them has no common typed interface


def engine() -> Any:
    """The process's engine; `prepare` comes first."""
    if _engine is None:
        raise RuntimeError("db.prepare(settings) was not called")
    return _engine


def is_sqlite() -> bool:
    """Whether the record lies in a file beside us."""
    return bool(engine().engine_type == "sqlite")


def prepare(settings: Settings) -> None:
    """Make the engine and hand it to every table. Opens nothing yet."""
    global _engine  # noqa: PLW0603  # one engine per process, as Piccolo wants it
    os.environ["PICCOLO_CONF"] = "app.piccolo_conf"
    if settings.db_type == "sqlite":
        Path(settings.db_path).parent.mkdir(parents=True, exist_ok=True)
        _engine = SqliteEngine(settings.db_path)
    else:
        _engine = PooledPostgres(config=settings.postgres_dsn_parts(), extensions=())
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
    """One transaction that writes. Never nested: whoever opens it decides what is one fact."""
    if not is_sqlite():
        async with engine().transaction(allow_nested=False):
            yield
        return
    transaction = engine().transaction(transaction_type=TransactionType.immediate, allow_nested=False)
    async with _write_turn(), transaction:
        yield


@asynccontextmanager
async def _write_turn() -> AsyncIterator[None]:
    """This process's turn to write: SQLite lets those who wait at its lock starve, ours is first come, first served."""
    turn: asyncio.Lock = engine().turn
    async with asyncio.timeout(BUSY_TIMEOUT_S):
        await turn.acquire()
    try:
        yield
    finally:
        turn.release()


@cache
def _for_engine(sql: str, engine_type: str) -> str:
    """`?1` is how we write parameters; PostgreSQL calls it `$1`, and `{each:1}` unfolds a JSON array into rows."""
    for number in range(1, 10):
        table = f"json_each(?{number})" if engine_type == "sqlite" else f"json_array_elements(?{number}::text::json)"
        sql = sql.replace(f"{{each:{number}}}", f"{table} AS each")
    return sql if engine_type == "sqlite" else sql.replace("?", "$")


async def rows(sql: str, *args: Any) -> Any:
    """Run one statement as it stands, inside the current transaction if there is one.

    sql      parameters are ?1, ?2 …; `{each:1}` is a row source `each(value)` over the JSON array in ?1,
             whose fields read `value->>0`: a batch is one statement on both engines
    returns  rows that answer to row["column"]
    """
    return await engine().run(_for_engine(sql, engine().engine_type), args)


async def require_writable() -> None:
    """Raise Unavailable when the database says that it takes no writes, as a standby does. SQLite does not say."""
    if is_sqlite():
        return
    try:
        (row,) = await rows("SELECT current_setting('transaction_read_only') AS read_only")
    except TRANSIENT_ERRORS as error:
        raise Unavailable("The database does not answer.") from error
    if row["read_only"] != "off":
        raise Unavailable("The database takes no writes.")


async def ping() -> None:
    """Raise Unavailable when the database does not answer."""
    try:
        async with asyncio.timeout(BUSY_TIMEOUT_S):
            await rows("SELECT 1 AS one")
    except TRANSIENT_ERRORS as error:
        raise Unavailable("The database does not answer.") from error
