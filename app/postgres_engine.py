"""PostgreSQL, the way a server needs it: whatever happens to a transaction, its connection comes back to the pool.

Piccolo's own transaction keeps its connection when BEGIN, COMMIT or ROLLBACK fails, and waits for a free one for ever;
ten broken transactions would then leave a process without any. Here every wait has an end, and a connection whose
state is not known is closed: the pool opens another one.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import asyncpg
from piccolo.engine.postgres import PostgresEngine, PostgresTransaction

ACQUIRE_S = 5.0  # for a free connection, or to open one; then the caller tries again
STATEMENT_S = 30.0
ROLLBACK_S = 3.0  # after that the connection is closed, and the server rolls back by itself
CLOSE_S = 5.0  # for statements under way when the process ends
CONNECTION_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)  # of a broken connection
# The server has become a standby: whoever is the primary now is found by connecting again.
STANDBY_ERRORS = (asyncpg.ReadOnlySQLTransactionError,)


class PlainConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg carries no types
    """A connection that we leave as we found it: no settings, cursors or listeners that would have to be reset."""

    __slots__ = ()

    def get_reset_query(self) -> str:
        """Nothing: it would be a round trip after every statement. A transaction that is open ends all the same."""
        return ""


class PostgresConnection:
    """A connection in use. `close` gives it back to the pool, or closes it when something of it is left over."""

    def __init__(self, raw: Any, pool: Any) -> None:
        self._raw, self._pool = raw, pool
        self._begun = self._broken = False
        self._first_error: BaseException | None = None  # what broke the transaction

    async def fetch(self, sql: str, *args: Any) -> Any:
        """Run a statement and fetch everything. After a failure the whole transaction fails, for the first reason."""
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
        """Store it. PostgreSQL answers a COMMIT after an error that somebody swallowed with ROLLBACK, and no error."""
        done = await self._raw.execute("COMMIT")
        self._begun = False
        if done != "COMMIT":
            raise self._first_error or asyncpg.InFailedSQLTransactionError("the transaction was rolled back")

    async def close(self) -> None:
        """Give the connection back. What goes wrong with it now concerns nobody: it is closed."""
        if self._begun and not self._broken:
            await self._roll_back()
        if self._broken:
            self._terminate()
        with suppress(*CONNECTION_ERRORS):  # the pool has closed it, then
            await self._pool.release(self._raw, timeout=ROLLBACK_S)

    async def _roll_back(self) -> None:
        try:
            async with asyncio.timeout(ROLLBACK_S):
                await self._raw.execute("ROLLBACK")
        except CONNECTION_ERRORS:
            self._broken = True
        except BaseException:  # we are cancelled, and must not leave it to anybody like this
            self._terminate()
            raise

    def _terminate(self) -> None:
        with suppress(asyncpg.InterfaceError):  # it ended by itself, and is back already
            self._raw.terminate()


class PooledPostgresTransaction(PostgresTransaction):
    """Piccolo's transaction, which gives its connection back whatever happens at either end."""

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
    """Piccolo's PostgreSQL engine with a pool that never makes anybody wait for ever."""

    __slots__ = ()

    async def check_version(self) -> None:
        """Not at the start: Piccolo asks over a connection of its own, and blocks the loop until it has an answer."""

    async def start_connection_pool(self, *, connections: int = 10, **_: Any) -> None:
        """Make the pool, and see that the server lets us in.

        connections  at most
        """
        self.pool = await asyncpg.create_pool(
            **self.config,
            connection_class=PlainConnection,
            min_size=0,  # a floor is restored in the background, with a traceback for every try
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
        """Close every connection; what does not end within `CLOSE_S` is cut off."""
        pool, self.pool = self.pool, None
        if pool is not None:
            with suppress(*CONNECTION_ERRORS):  # the pool cuts everything off, then
                async with asyncio.timeout(CLOSE_S):
                    await pool.close()

    async def acquire(self) -> PostgresConnection:
        """A connection of the pool. Raises asyncpg's errors, and TimeoutError when none becomes free."""
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

    _run_in_new_connection = _run_in_pool  # Piccolo's way around a pool that is closed; ours is closed for good

    def transaction(self, allow_nested: bool = True) -> PostgresTransaction:  # noqa: FBT001, FBT002  # Piccolo's signature
        """A transaction that can't lose its connection."""
        return PooledPostgresTransaction(engine=self, allow_nested=allow_nested)
