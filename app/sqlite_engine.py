"""Piccolo's SQLite engine for a server: pooled connections, WAL, writes that begin IMMEDIATE.

Piccolo's own engine opens a connection per query and sets no pragmas. Whatever happens to a statement or its task, its
connection returns to the pool; a connection in an unknown state is closed.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiosqlite
from piccolo.engine.sqlite import SQLiteEngine, SQLiteTransaction, TransactionType, dict_factory

CONNECTIONS = 8  # per process: each is a thread and some memory, and they share the processor
BUSY_TIMEOUT_S = 5.0  # how long a statement waits for SQLite's lock before it fails and its caller retries
PRAGMAS = (
    "PRAGMA page_size = 2048",  # a heartbeat dirties one leaf: half the page, half the bytes written per check
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",  # a power failure may lose the last second, a crash of the process nothing
    "PRAGMA foreign_keys = ON",
    "PRAGMA wal_autocheckpoint = 8000",  # 16 MB: pages that change in every interval are copied back once
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA cache_size = -8000",
    "PRAGMA temp_store = MEMORY",
)
DAMAGE_ERRORS = (
    "SQLITE_CORRUPT",
    "SQLITE_NOTADB",
)  # for the operator, like every OperationalError

Close = Callable[[aiosqlite.Connection, bool], Awaitable[None]]


class DamagedFile(sqlite3.OperationalError):
    """The database file is damaged: a problem for the operator, like a full disk, and no bug."""


async def run_statement(raw: aiosqlite.Connection, sql: str, args: Sequence[Any] = ()) -> Any:
    """Run a statement and fetch all rows: one hop to the connection's thread. May raise DamagedFile."""
    try:
        return await raw.execute_fetchall(sql, args)
    except sqlite3.DatabaseError as error:
        if str(getattr(error, "sqlite_errorname", "")).startswith(DAMAGE_ERRORS):
            raise DamagedFile(str(error)) from error
        raise


class SqliteConnection:
    """A connection whose `close` returns it to the pool, once."""

    def __init__(self, raw: aiosqlite.Connection, back: Close) -> None:
        self.raw = raw
        self._give_back = back
        self._closed = self._broken = False

    async def execute(self, sql: str, args: Sequence[Any] = ()) -> Any:
        """Run a statement and fetch all rows."""
        if self._closed:  # a task that outlived its transaction must not write into another one
            raise RuntimeError("this transaction has ended")
        try:
            return await run_statement(self.raw, sql, args)
        except asyncio.CancelledError:
            self._broken = True  # its thread continues the statement: a BEGIN may still take the lock
            raise

    @property
    def is_open(self) -> bool:
        """Whether a transaction is open, as far as known."""
        return not self._broken and self.raw.in_transaction

    async def close(self) -> None:
        """Return the connection."""
        if not self._closed:
            self._closed = True
            await self._give_back(self.raw, self._broken)


class PooledSqliteTransaction(SQLiteTransaction):
    """Piccolo's transaction, which returns its connection whatever fails."""

    connection: SqliteConnection
    engine: "SqliteEngine"

    async def __aenter__(self) -> SQLiteTransaction:
        if self._parent is not None:
            return self._parent
        self.connection = await self.engine.get_connection()
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
        try:
            self.engine.current_transaction.reset(self.context)
            if exception is None:
                await self.connection.execute("COMMIT")
        finally:
            await self._end()
        return exception is None

    async def _end(self) -> None:
        """Roll back an open transaction; if that fails, the connection is closed, with the same effect."""
        try:
            if self.connection.is_open:
                await self.connection.execute("ROLLBACK")
        finally:
            await self.connection.close()


class SqliteEngine(SQLiteEngine):
    """Piccolo's SQLite engine with a pool, which belongs to the event loop that called `start`."""

    __slots__ = ("_capacity", "_closing", "_idle", "write_lock")

    def __init__(self, path: str) -> None:
        super().__init__(path=path, timeout=BUSY_TIMEOUT_S, cached_statements=256)
        self._idle: asyncio.LifoQueue[aiosqlite.Connection] = asyncio.LifoQueue()
        self._capacity = asyncio.Semaphore(CONNECTIONS)
        self._closing: set[asyncio.Task[None]] = set()  # connections that are being closed in the background

    async def start_connection_pool(self, **_: Any) -> None:
        """Open the first connection: without one that stays open, every close would checkpoint and delete the WAL."""
        self._idle = asyncio.LifoQueue()
        self._capacity, self.write_lock = asyncio.Semaphore(CONNECTIONS), asyncio.Lock()
        self._idle.put_nowait(await self._connect())

    async def close_connection_pool(self) -> None:
        """Close all idle connections: their threads would keep the process from exiting."""
        if self._closing:
            await asyncio.wait(self._closing)
        while not self._idle.empty():
            await self._idle.get_nowait().close()

    async def get_connection(self) -> Any:
        """An idle connection, or a new one; waits while all are in use, and raises TimeoutError."""
        async with asyncio.timeout(BUSY_TIMEOUT_S if self._capacity.locked() else None):
            await self._capacity.acquire()
        try:
            raw = await self._connect() if self._idle.empty() else self._idle.get_nowait()
        except BaseException:
            self._capacity.release()
            raise
        return SqliteConnection(raw, self._release)

    async def run(self, query: str, args: Sequence[Any]) -> Any:
        """Run a statement, inside the current transaction if there is one."""
        current = self.current_transaction.get()
        if current is None:
            return await self._run_in_new_connection(query, args)
        return await current.connection.execute(query, args)

    async def _release(self, raw: aiosqlite.Connection, broken: bool) -> None:  # noqa: FBT001  # as `close` passes it
        """Return a connection to the pool; one that is or may be inside a transaction is discarded."""
        if not broken and not raw.in_transaction:
            self._idle.put_nowait(raw)
            self._capacity.release()
            return
        task = asyncio.create_task(self._discard(raw), name="close a connection")  # it may wait for the lock
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _discard(self, raw: aiosqlite.Connection) -> None:
        try:
            await raw.close()
        finally:
            self._capacity.release()

    async def _connect(self) -> aiosqlite.Connection:
        try:
            raw = await aiosqlite.connect(**self.connection_kwargs)
        except RuntimeError as error:  # "can't start new thread": too many threads, or too little memory
            raise sqlite3.OperationalError(str(error)) from error
        raw.row_factory = dict_factory  # type: ignore[assignment]  # Piccolo's factory for rows as dicts
        try:
            for pragma in PRAGMAS:
                await run_statement(raw, pragma)
        except BaseException:  # its thread would keep the process from exiting
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
        """A transaction that takes the write lock when it begins: DEFERRED ones fail at once under load."""
        return PooledSqliteTransaction(engine=self, transaction_type=transaction_type, allow_nested=allow_nested)
