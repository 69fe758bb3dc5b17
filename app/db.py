"""The database: one engine per process, kept connections, and three ways in: `writing`, `rows`, Piccolo.

SQLite is opened the way a server needs it (Piccolo's own engine opens a connection per query and sets no
pragmas): WAL, `synchronous=NORMAL`, small pages, writes that begin IMMEDIATE. Never run anything concurrently
inside of `writing()`: its one connection is shared by every task started there.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import aiosqlite
import asyncpg
from piccolo.engine.postgres import PostgresEngine
from piccolo.engine.sqlite import SQLiteEngine, SQLiteTransaction, TransactionType, dict_factory
from piccolo.table import TABLE_REGISTRY

from app.errors import Unavailable
from app.settings import Settings

CONNECTIONS = 8  # of a process to SQLite: each is a thread and some memory, and the processor is shared anyway
BUSY_S = 5.0  # how long a statement waits for SQLite's lock before it fails and is retried by its caller
PRAGMAS = (
    "PRAGMA page_size = 2048",  # a heartbeat dirties one leaf: half the page, half the bytes written per check
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",  # a power cut may cost the last second, a crash of ours nothing
    "PRAGMA foreign_keys = ON",
    "PRAGMA wal_autocheckpoint = 8000",  # 16 MB: pages that change every interval are copied back once
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA cache_size = -8000",
    "PRAGMA temp_store = MEMORY",
)

# What the two engines call "we can't just now": retried by whoever holds the work, told as 503 to people.
TROUBLE = (
    aiosqlite.OperationalError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # PostgreSQL shuts down or starts up
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.InterfaceError,
    OSError,
)
UNMIGRATED = (aiosqlite.OperationalError, asyncpg.UndefinedTableError)  # the database is older than this code

_engine: Any = None  # one of Piccolo's; what we use of them has no common typed interface


class SqliteWriting(SQLiteTransaction):
    """Piccolo's transaction, which gives its connection back whatever happens at either end."""

    connection: "KeptConnection"

    async def __aenter__(self) -> SQLiteTransaction:
        if self._parent is not None:
            return self._parent
        self.connection = await engine().get_connection()
        try:
            await self.connection.execute(f"BEGIN {self.transaction_type.value}")
        except BaseException:
            await self.connection.close()
            raise
        self.context = self.engine.current_transaction.set(self)
        return self

    async def __aexit__(self, _type: object, exception: BaseException | None, _traceback: object) -> bool:
        if self._parent:
            return exception is None
        self.engine.current_transaction.reset(self.context)
        try:
            if exception is None:
                await self.connection.execute("COMMIT")
        finally:
            if self.connection.raw.in_transaction:
                await self.connection.execute("ROLLBACK")
            await self.connection.close()
        return exception is None


class KeptConnection:
    """A connection whose `close` puts it back on the shelf."""

    def __init__(self, raw: aiosqlite.Connection, back: Callable[[aiosqlite.Connection], Awaitable[None]]) -> None:
        self.raw = raw
        self._back = back

    async def execute(self, sql: str, args: Sequence[Any] = ()) -> Any:
        """Run a statement and fetch everything: one hop to the connection's thread."""
        return await self.raw.execute_fetchall(sql, args)

    async def close(self) -> None:
        """Give the connection back."""
        await self._back(self.raw)


class SqliteEngine(SQLiteEngine):
    """Piccolo's SQLite engine with kept connections. The shelf belongs to the loop that called `start`."""

    __slots__ = ("_room", "_shelf", "turn")

    def __init__(self, path: str) -> None:
        super().__init__(path=path, timeout=BUSY_S, cached_statements=256)
        self._shelf: asyncio.LifoQueue[aiosqlite.Connection] = asyncio.LifoQueue()
        self._room = asyncio.Semaphore(CONNECTIONS)

    async def start_connection_pool(self, **_: Any) -> None:
        """Open the first connection: the anchor without which every close would checkpoint and delete the WAL."""
        self._shelf = asyncio.LifoQueue()
        self._room, self.turn = asyncio.Semaphore(CONNECTIONS), asyncio.Lock()
        self._shelf.put_nowait(await self._connect())

    async def close_connection_pool(self) -> None:
        """Close what is on the shelf; each one is a thread that would keep the process from ending."""
        while not self._shelf.empty():
            await self._shelf.get_nowait().close()

    async def get_connection(self) -> Any:
        """A connection from the shelf, or a new one; waits while all are in use."""
        await self._room.acquire()
        try:
            raw = await self._connect() if self._shelf.empty() else self._shelf.get_nowait()
        except BaseException:
            self._room.release()
            raise
        return KeptConnection(raw, self._shelve)

    async def _shelve(self, raw: aiosqlite.Connection) -> None:
        """Put a connection back; one that is still inside a transaction is thrown away."""
        try:
            if raw.in_transaction:
                await raw.close()
            else:
                self._shelf.put_nowait(raw)
        finally:
            self._room.release()

    async def _connect(self) -> aiosqlite.Connection:
        raw = await aiosqlite.connect(**self.connection_kwargs)
        raw.row_factory = dict_factory  # type: ignore[assignment]  # Piccolo's factory: rows as dicts
        try:
            for pragma in PRAGMAS:
                await raw.execute_fetchall(pragma)
        except BaseException:  # it is a thread, which would keep the process from ending
            await raw.close()
            raise
        return raw

    async def _run_in_new_connection(self, query: str, args: Sequence[Any] | None = None, *_: Any, **__: Any) -> Any:
        connection = await self.get_connection()
        try:
            return await connection.execute(query, args or ())
        finally:
            await connection.close()

    async def _run_in_existing_connection(
        self, connection: Any, query: str, args: Sequence[Any] | None = None, *_: Any, **__: Any
    ) -> Any:
        return await connection.execute(query, args or ())

    def transaction(
        self,
        transaction_type: TransactionType = TransactionType.immediate,
        allow_nested: bool = True,  # noqa: FBT001, FBT002  # Piccolo's signature
    ) -> SQLiteTransaction:
        """A transaction that takes the write lock at its start: DEFERRED ones fail at once under load."""
        return SqliteWriting(engine=self, transaction_type=transaction_type, allow_nested=allow_nested)


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
        _engine = PostgresEngine(config=settings.postgres_dsn_parts(), extensions=())
    for table in TABLE_REGISTRY:
        table._meta.db = _engine  # noqa: SLF001  # Piccolo's own way to change a table's engine


async def start(settings: Settings, *, connections: int = 10) -> None:
    """Open connections on the running loop."""
    prepare(settings)
    if is_sqlite():
        await engine().start_connection_pool()
    else:
        await engine().start_connection_pool(
            min_size=1,
            max_size=connections,
            command_timeout=30,
            server_settings={"jit": "off"},  # compiling a batch statement takes longer than running it (30 ms here)
        )


async def stop() -> None:
    """Close every connection of this process."""
    await engine().close_connection_pool()


@asynccontextmanager
async def writing() -> AsyncIterator[None]:
    """One transaction that writes. Never nested: whoever opens it decides what is one fact."""
    if not is_sqlite():
        async with engine().transaction(allow_nested=False):
            yield
        return
    transaction = engine().transaction(transaction_type=TransactionType.immediate, allow_nested=False)
    async with _turn(), transaction:
        yield


@asynccontextmanager
async def _turn() -> AsyncIterator[None]:
    """This process's turn to write: SQLite lets those who wait at its lock starve, ours is first come, first served."""
    turn: asyncio.Lock = engine().turn
    async with asyncio.timeout(BUSY_S):
        await turn.acquire()
    try:
        yield
    finally:
        turn.release()


@cache
def _numbered(sql: str, engine_type: str) -> str:
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
    sqlite = is_sqlite()
    text = _numbered(sql, engine().engine_type)
    current = engine().current_transaction.get()
    if sqlite:
        run = engine()._run_in_new_connection if current is None else current.connection.execute  # noqa: SLF001  # ours, above
        return await run(text, args)
    if current is not None:
        return await current.connection.fetch(text, *args)
    async with engine().pool.acquire() as connection:
        return await connection.fetch(text, *args)


async def ping() -> None:
    """Raise Unavailable when the database does not answer."""
    try:
        await asyncio.wait_for(rows("SELECT 1 AS one"), BUSY_S)
    except (TimeoutError, *TROUBLE) as error:
        raise Unavailable("The database does not answer.") from error
