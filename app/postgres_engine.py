"""Piccolo's PostgreSQL engine for a server: whatever happens to a transaction, its connection returns to the pool.

Piccolo's own transaction keeps its connection when BEGIN, COMMIT or ROLLBACK fails, and waits for a free one without a
timeout; after ten broken transactions a process would have none. Here every wait has a timeout, and a connection in an
unknown state is closed: the pool opens another one.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import asyncpg
from piccolo.engine.postgres import PostgresEngine, PostgresTransaction

ACQUIRE_S = 5.0  # for a free connection, or to open one; then the caller retries
STATEMENT_S = 30.0
ROLLBACK_S = 3.0  # then the connection is closed, and the server rolls back
CLOSE_S = 5.0  # for running statements when the process stops
CONNECTION_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)  # of a broken connection
# The server has become a standby: a new connection finds the current primary.
STANDBY_ERRORS = (asyncpg.ReadOnlySQLTransactionError,)


class PlainConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """A connection without a reset: we leave no settings, cursors or listeners behind."""

    __slots__ = ()

    def get_reset_query(self) -> str:
        """Nothing: it would be a round trip after every statement. asyncpg still ends an open transaction."""
        return ""


class PostgresConnection:
    """A connection in use. `close` returns it to the pool, or terminates it when its state is unknown."""

    def __init__(self, raw: Any, pool: Any) -> None:
        self._raw, self._pool = raw, pool
        self._begun = self._broken = False
        self._first_error: BaseException | None = None  # what broke the transaction

    async def fetch(self, sql: str, *args: Any) -> Any:
        """Run a statement and fetch all rows. After a failure the transaction fails with the first error."""
        try:
            return await self._raw.fetch(sql, *args)
        except asyncpg.InFailedSQLTransactionError as error:
            raise self._first_error or error from error
        except BaseException as error:
            await self._record_error(error)
            raise

    async def _record_error(self, error: BaseException) -> None:
        self._first_error = self._first_error or error
        self._broken = self._broken or isinstance(error, asyncpg.InternalClientError)
        if isinstance(error, STANDBY_ERRORS):
            await self._pool.expire_connections()

    async def begin(self) -> None:
        """Open a transaction."""
        self._begun = True
        await self._raw.execute("BEGIN")

    async def commit(self) -> None:
        """Commit. After a suppressed error PostgreSQL answers COMMIT with ROLLBACK, without an error of its own."""
        done = await self._raw.execute("COMMIT")
        self._begun = False
        if done != "COMMIT":
            raise self._first_error or asyncpg.InFailedSQLTransactionError("the transaction was rolled back")

    async def close(self) -> None:
        """Return the connection. If that fails, it is closed."""
        if self._begun and not self._broken:
            await self._roll_back()
        if self._broken:
            self._terminate()
        with suppress(*CONNECTION_ERRORS):  # the pool has then closed it
            await self._pool.release(self._raw, timeout=ROLLBACK_S)

    async def _roll_back(self) -> None:
        try:
            async with asyncio.timeout(ROLLBACK_S):
                await self._raw.execute("ROLLBACK")
        except CONNECTION_ERRORS:
            self._broken = True
        except BaseException:  # cancelled: nobody may get the connection in this state
            self._terminate()
            raise

    def _terminate(self) -> None:
        with suppress(asyncpg.InterfaceError):  # it is closed and returned already
            self._raw.terminate()


class PooledPostgresTransaction(PostgresTransaction):
    """Piccolo's transaction, which returns its connection whatever fails."""

    connection: PostgresConnection
    engine: "PooledPostgres"

    async def __aenter__(self) -> PostgresTransaction:
        if self._parent is not None:
            return self._parent
        self.connection = await self.engine.acquire()
        try:
            await self.connection.begin()
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
                await self.connection.commit()
        finally:
            await self.connection.close()
        return exception is None


class PooledPostgres(PostgresEngine):
    """Piccolo's PostgreSQL engine with a pool whose waits have timeouts."""

    __slots__ = ()

    async def check_version(self) -> None:
        """Skip the check: Piccolo makes it on a separate connection, and blocks the event loop."""

    async def start_connection_pool(self, *, connections: int = 10, **_: Any) -> None:
        """Create the pool, and check that a connection can be opened.

        connections  the maximum
        """
        self.pool = await asyncpg.create_pool(
            **self.config,
            connection_class=PlainConnection,
            min_size=0,  # a minimum is restored in the background, with a traceback for every failure
            max_size=connections,
            command_timeout=STATEMENT_S,
            server_settings={"jit": "off"},  # compiling a batch statement takes longer than running it (30 ms here)
        )
        try:
            await (await self.acquire()).close()
        except BaseException:
            await self.close_connection_pool()
            raise

    async def close_connection_pool(self) -> None:
        """Close every connection; after `CLOSE_S` they are terminated."""
        pool, self.pool = self.pool, None
        if pool is not None:
            with suppress(*CONNECTION_ERRORS):  # the pool then terminates them
                async with asyncio.timeout(CLOSE_S):
                    await pool.close()

    async def acquire(self) -> PostgresConnection:
        """Acquire a connection. Raises asyncpg's errors, and TimeoutError when none becomes free."""
        pool = self.pool
        if pool is None:
            raise asyncpg.InterfaceError("the pool is closed")
        try:
            async with asyncio.timeout(ACQUIRE_S):  # the pool's own `timeout` would cost a task for each statement
                return PostgresConnection(await pool.acquire(), pool)
        except TimeoutError as error:
            raise TimeoutError(str(error) or f"no connection within {ACQUIRE_S:g} s") from error

    async def run(self, query: str, args: Sequence[Any]) -> Any:
        """Run a statement, inside the current transaction if there is one."""
        current = self.current_transaction.get()
        if current is None:
            return await self._run_in_pool(query, args)
        return await current.connection.fetch(query, *args)

    async def _run_in_pool(self, query: str, args: Sequence[Any] | None = None) -> Any:
        connection = await self.acquire()
        try:
            return await connection.fetch(query, *(args or ()))
        finally:
            await connection.close()

    _run_in_new_connection = _run_in_pool  # Piccolo bypasses a closed pool with this; we don't

    def transaction(self, allow_nested: bool = True) -> PostgresTransaction:  # noqa: FBT001, FBT002  # Piccolo's signature
        """A transaction that always returns its connection."""
        return PooledPostgresTransaction(engine=self, allow_nested=allow_nested)
