"""Runs one read-only query on a PostgreSQL.

PostgreSQL's extended protocol takes one statement; the transaction around it is read-only, has a time limit, and is
rolled back. `COPY … TO PROGRAM` and the like don't begin with a word that targets allow. This does not guard against
functions: some act outside of transactions, and may do what the user may.
"""

import asyncio
import ssl
from typing import Any, TypeAlias

import asyncpg
from asyncpg.pgproto.pgproto import BufferError as BrokenBuffer

from actors.probes.kit.closing import close_gracefully
from actors.probes.kit.context import RunningCheck
from actors.probes.kit.query_columns import column_value
from actors.probes.kit.read_limit import ReadLimit, ReadLimitedLoop
from actors.probes.kit.result import PARSE_ERRORS, ProbeResult, TargetFailed
from actors.probes.kit.values import to_detail
from actors.probes.net.tls import named_tls_context
from actors.probes.protocols.postgres_messages import NOT_POSTGRES, MessageValidator
from app.domain.connections.databases import postgres_parameters, postgres_settings, postgres_ssl_mode
from app.domain.connections.uris import ConnectionParameters
from schema.heartbeat_texts import ANSWERED
from schema.targets import Postgres, SslMode

NO_TLS = "rejected SSL upgrade"  # the library's message
CLOSE_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
VERIFYING = (SslMode.VERIFY_CA, SslMode.VERIFY_FULL)

Tls: TypeAlias = ssl.SSLContext | str | bool  # as the library accepts it


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # the library has no types
    """Closes the transport when the constructor fails on an unreadable version; the library's own class does not."""

    def __init__(self, protocol: Any, transport: asyncio.Transport, *more: Any) -> None:
        try:
            super().__init__(protocol, transport, *more)
        except BaseException:
            self._aborted, self._source_traceback = True, None
            transport.abort()
            raise


async def probe(target: Postgres, check: RunningCheck) -> ProbeResult:
    """Connect, query, take the chosen field of the first row."""
    login = postgres_parameters(target)
    tls = _tls_option(target, login, postgres_ssl_mode(target, login))
    addresses = list(await check.context.egress.addresses(login.host))
    try:
        with ReadLimit() as limit:
            row, version = await _query(target, login, addresses, limit, timeout_ms=check.snapshot.timeout_ms, tls=tls)
    except asyncpg.PostgresConnectionError as error:
        raise TargetFailed("the connection was closed without an answer") from error
    except asyncpg.PostgresError as error:
        raise TargetFailed(f"the server answered: {error}") from error
    except OSError as error:  # a certificate error is a ValueError too
        if NO_TLS in str(error):
            raise TargetFailed("the server speaks no TLS") from error
        raise
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, BrokenBuffer, *PARSE_ERRORS) as error:
        raise TargetFailed(NOT_POSTGRES) from error
    value = column_value(tuple(row) if row else None, list(row.keys()) if row else [], target.column, target.query)
    detail = {"value": to_detail(value), "server_version": version} if check.detailed else None
    return ProbeResult(code=ANSWERED, detail=detail, value=value)


async def _query(
    target: Postgres, login: ConnectionParameters, addresses: list[str], limit: ReadLimit, *, timeout_ms: int, tls: Tls
) -> tuple[asyncpg.Record | None, str]:
    """The first row, and the server's version."""
    connection = await asyncpg.connect(
        host=addresses,
        port=login.port,
        user=login.username or "postgres",
        password=login.password,  # an empty one counts as set: ~/.pgpass is not read
        database=login.database or login.username or "postgres",
        ssl=tls,
        timeout=None,  # the check has its own
        loop=ReadLimitedLoop(limit, MessageValidator),
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
        await close_gracefully(_close(connection, transaction), *CLOSE_ERRORS)
    finally:
        connection.terminate()
    return row, version


async def _close(connection: asyncpg.Connection, transaction: asyncpg.transaction.Transaction) -> None:
    """Roll back and close: a read-only transaction would keep what some functions write, large objects and notices.

    Closing without a goodbye rolls back too.
    """
    await transaction.rollback()
    await connection.close()


def _tls_option(target: Postgres, login: ConnectionParameters, mode: SslMode) -> Tls:
    """A context requires TLS; `prefer` is the library's own option."""
    if mode is SslMode.DISABLE:
        return False
    if mode is SslMode.PREFER:
        return "prefer"
    return named_tls_context(target, login.host, verify=mode in VERIFYING, check_hostname=mode is SslMode.VERIFY_FULL)
