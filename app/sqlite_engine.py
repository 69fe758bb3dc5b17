"""SQLite, opened the way a server needs it: kept connections, WAL, writes that begin IMMEDIATE.

Piccolo's own engine opens a connection per query and sets no pragmas. Whatever happens to a statement or to its task,
its connection and its place among the `CONNECTIONS` come back; one whose state is not known is closed.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiosqlite
from piccolo.engine.sqlite import SQLiteEngine, SQLiteTransaction, TransactionType, dict_factory

CONNECTIONS = 8  # of a process to SQLite: each is a thread and some memory, and the processor is shared anyway
BUSY_TIMEOUT_S = 5.0  # how long a statement waits for SQLite's lock before it fails and is retried by its caller
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
DAMAGE_ERRORS = (
    "SQLITE_CORRUPT",
    "SQLITE_NOTADB",
)  # the only ones of the operator's matters that are no OperationalError

Close = Callable[[aiosqlite.Connection, bool], Awaitable[None]]


class DamagedFile(sqlite3.OperationalError):
    """The file is there and can't be read: the operator's matter, like a full disk, and no bug."""


async def run_statement(raw: aiosqlite.Connection, sql: str, args: Sequence[Any] = ()) -> Any:
    """Run a statement and fetch everything: one hop to the connection's thread. May raise DamagedFile."""
    try:
        return await raw.execute_fetchall(sql, args)
    except sqlite3.DatabaseError as error:
        if str(getattr(error, "sqlite_errorname", "")).startswith(DAMAGE_ERRORS):
            raise DamagedFile(str(error)) from error
        raise


class SqliteConnection:
    """A connection whose `close` puts it back on the shelf, once."""

    def __init__(self, raw: aiosqlite.Connection, back: Close) -> None:
        self.raw = raw
        self._give_back = back
        self._closed = self._broken = False

    async def execute(self, sql: str, args: Sequence[Any] = ()) -> Any:
        """Run a statement and fetch everything."""
        if self._closed:  # a task that outlived its transaction must not write into somebody else's
            raise RuntimeError("this transaction has ended")
        try:
            return await run_statement(self.raw, sql, args)
        except asyncio.CancelledError:
            self._broken = True  # its thread goes on with the statement: a BEGIN may take the lock after we have left
            raise

    @property
    def is_open(self) -> bool:
        """Whether a transaction is open, as far as we know."""
        return not self._broken and self.raw.in_transaction

    async def close(self) -> None:
        """Give the connection back."""
        if not self._closed:
            self._closed = True
            await self._give_back(self.raw, self._broken)


class PooledSqliteTransaction(SQLiteTransaction):
    """Piccolo's transaction, which gives its connection back whatever happens at either end."""

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
        """Roll back what is still open; a connection that can't is closed, which does the same."""
        try:
            if self.connection.is_open:
                await self.connection.execute("ROLLBACK")
        finally:
            await self.connection.close()


class SqliteEngine(SQLiteEngine):
    """Piccolo's SQLite engine with kept connections. The shelf belongs to the loop that called `start`."""

    __slots__ = ("_leaving", "_room", "_shelf", "turn")

    def __init__(self, path: str) -> None:
        super().__init__(path=path, timeout=BUSY_TIMEOUT_S, cached_statements=256)
        self._shelf: asyncio.LifoQueue[aiosqlite.Connection] = asyncio.LifoQueue()
        self._room = asyncio.Semaphore(CONNECTIONS)
        self._leaving: set[asyncio.Task[None]] = set()  # connections that are being closed behind somebody's back

    async def start_connection_pool(self, **_: Any) -> None:
        """Open the first connection: the anchor without which every close would checkpoint and delete the WAL."""
        self._shelf = asyncio.LifoQueue()
        self._room, self.turn = asyncio.Semaphore(CONNECTIONS), asyncio.Lock()
        self._shelf.put_nowait(await self._connect())

    async def close_connection_pool(self) -> None:
        """Close what is on the shelf; each one is a thread that would keep the process from ending."""
        if self._leaving:
            await asyncio.wait(self._leaving)
        while not self._shelf.empty():
            await self._shelf.get_nowait().close()

    async def get_connection(self) -> Any:
        """A connection from the shelf, or a new one; waits while all are in use, and raises TimeoutError."""
        async with asyncio.timeout(BUSY_TIMEOUT_S if self._room.locked() else None):
            await self._room.acquire()
        try:
            raw = await self._connect() if self._shelf.empty() else self._shelf.get_nowait()
        except BaseException:
            self._room.release()
            raise
        return SqliteConnection(raw, self._shelve)

    async def run(self, query: str, args: Sequence[Any]) -> Any:
        """Run a statement, inside the current transaction if there is one."""
        current = self.current_transaction.get()
        if current is None:
            return await self._run_in_new_connection(query, args)
        return await current.connection.execute(query, args)

    async def _shelve(self, raw: aiosqlite.Connection, torn: bool) -> None:  # noqa: FBT001  # what `close` knows
        """Put a connection back; one that is still inside a transaction, or may be, is thrown away."""
        if not torn and not raw.in_transaction:
            self._shelf.put_nowait(raw)
            self._room.release()
            return
        task = asyncio.create_task(self._discard(raw), name="close a connection")  # it may wait for the lock, we don't
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _discard(self, raw: aiosqlite.Connection) -> None:
        try:
            await raw.close()
        finally:
            self._room.release()

    async def _connect(self) -> aiosqlite.Connection:
        try:
            raw = await aiosqlite.connect(**self.connection_kwargs)
        except RuntimeError as error:  # "can't start new thread": too many of them, or too little memory
            raise sqlite3.OperationalError(str(error)) from error
        raw.row_factory = dict_factory  # type: ignore[assignment]  # Piccolo's factory: rows as dicts
        try:
            for pragma in PRAGMAS:
                await run_statement(raw, pragma)
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
        return PooledSqliteTransaction(engine=self, transaction_type=transaction_type, allow_nested=allow_nested)
