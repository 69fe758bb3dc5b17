"""Asks a PostgreSQL one query that only reads.

PostgreSQL's extended protocol takes one statement; the transaction around it is read-only, has a limit on its time, and
is rolled back. `COPY … TO PROGRAM` and the like do not begin with a word the target allows. That is no guard against
functions: some act outside of transactions, and do what the user may.
"""

import asyncio
import ssl
from typing import Any, TypeAlias

import asyncpg
from asyncpg.pgproto.pgproto import BufferError as BrokenBuffer

from actors.probes.kit.closing import say_goodbye
from actors.probes.kit.context import Asked
from actors.probes.kit.query_columns import value_of
from actors.probes.kit.read_limit import Meter, MeteredLoop
from actors.probes.kit.result import UNREADABLE, Failed, Seen
from actors.probes.kit.values import shown
from actors.probes.net.tls import context_by
from actors.probes.protocols.postgres_messages import NOT_POSTGRES, Messages
from app.domain.connections.databases import postgres_login, postgres_mode, postgres_settings
from app.domain.connections.uris import Login
from schema.heartbeat_texts import ANSWERED
from schema.targets import Postgres, SslMode

NO_TLS = "rejected SSL upgrade"  # how the library puts it
NO_GOODBYE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
VERIFYING = (SslMode.VERIFY_CA, SslMode.VERIFY_FULL)

Tls: TypeAlias = ssl.SSLContext | str | bool  # as the library takes it


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # the library has no types
    """Leaves nothing open when it can't be made, for want of a version that can be read; the library's own does."""

    def __init__(self, protocol: Any, transport: asyncio.Transport, *more: Any) -> None:
        try:
            super().__init__(protocol, transport, *more)
        except BaseException:
            self._aborted, self._source_traceback = True, None
            transport.abort()
            raise


async def probe(target: Postgres, asked: Asked) -> Seen:
    """Connect, ask, take the first row's field that counts."""
    login = postgres_login(target)
    tls = _encryption(target, login, postgres_mode(target, login))
    addresses = list(await asked.tools.egress.addresses(login.host))
    try:
        with Meter() as meter:
            row, version = await _answer(target, login, addresses, meter, timeout_ms=asked.snapshot.timeout_ms, tls=tls)
    except asyncpg.PostgresConnectionError as error:
        raise Failed("the connection was closed without an answer") from error
    except asyncpg.PostgresError as error:
        raise Failed(f"the server answered: {error}") from error
    except OSError as error:  # among them a certificate's fault, which is a ValueError too
        if NO_TLS in str(error):
            raise Failed("the server speaks no TLS") from error
        raise
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, BrokenBuffer, *UNREADABLE) as error:
        raise Failed(NOT_POSTGRES) from error
    value = value_of(tuple(row) if row else None, list(row.keys()) if row else [], target.column, target.query)
    detail = {"value": shown(value), "server_version": version} if asked.detailed else None
    return Seen(code=ANSWERED, detail=detail, value=value)


async def _answer(
    target: Postgres, login: Login, addresses: list[str], meter: Meter, *, timeout_ms: int, tls: Tls
) -> tuple[asyncpg.Record | None, str]:
    """The first row, and the server's version."""
    connection = await asyncpg.connect(
        host=addresses,
        port=login.port,
        user=login.username or "postgres",
        password=login.password,  # empty counts as given: nobody's ~/.pgpass is asked
        database=login.database or login.username or "postgres",
        ssl=tls,
        timeout=None,  # the check has its own
        loop=MeteredLoop(meter, Messages),
        connection_class=_Connection,
        statement_cache_size=0,
        server_settings={"application_name": "watchkeeper", **postgres_settings(login)},
    )
    try:
        transaction = connection.transaction(readonly=True)
        await transaction.start()
        await connection.execute(f"SET LOCAL statement_timeout = {timeout_ms}")
        row = await connection.fetchrow(target.query)
        version = str(connection.get_settings().server_version)
        await say_goodbye(_leave(connection, transaction), *NO_GOODBYE)
    finally:
        connection.terminate()
    return row, version


async def _leave(connection: asyncpg.Connection, transaction: asyncpg.transaction.Transaction) -> None:
    """A read-only transaction keeps what some functions write, large objects and notices; an end without word ends it
    too.
    """
    await transaction.rollback()
    await connection.close()


def _encryption(target: Postgres, login: Login, mode: SslMode) -> Tls:
    """A context insists on TLS; `prefer` is the library's own word."""
    if mode is SslMode.DISABLE:
        return False
    if mode is SslMode.PREFER:
        return "prefer"
    return context_by(target, login.host, verify=mode in VERIFYING, check_name=mode is SslMode.VERIFY_FULL)
