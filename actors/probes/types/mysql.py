"""Runs one read-only query on a MySQL or MariaDB.

Read-only by construction: the query is prepared, which allows one statement and no end of a transaction, and runs in a
read-only transaction. It is sent as a hexadecimal value, so that no server's quoting rules can split it.
"""

import contextlib
import ssl
import struct
from collections.abc import Sequence
from typing import Any

import aiomysql
from pymysql.constants import CLIENT, FIELD_TYPE
from pymysql.err import MySQLError

from actors.probes.kit.closing import close_gracefully
from actors.probes.kit.context import RunningCheck
from actors.probes.kit.errors import classify_os_error
from actors.probes.kit.query_columns import column_value
from actors.probes.kit.read_limit import TOO_LONG, ReadLimit
from actors.probes.kit.result import ProbeResult, TargetFailed
from actors.probes.kit.values import to_detail
from actors.probes.net.tls import database_tls_context
from app.domain.connections.databases import mysql_encryption, mysql_parameters
from app.domain.connections.uris import ConnectionParameters
from app.domain.parsing.credential_encoding import utf8_as_latin1
from schema.heartbeat_texts import ANSWERED
from schema.targets import Mysql

NOT_MYSQL = (
    ValueError,
    LookupError,
    AssertionError,
    TypeError,
    AttributeError,
    struct.error,
)  # raised for what can't be parsed
CLOSE_ERRORS = (MySQLError, *NOT_MYSQL)
CLEAR_PASSWORD_PLUGIN = "mysql_clear_password"  # noqa: S105  # how a server asks for the password in clear text
CLIENT_ERRORS = range(2_000, 3_000)  # errors of the library; other numbers are the server's


class MysqlConnection(aiomysql.Connection):  # type: ignore[misc]  # the library has no types
    """Requires TLS where configured, never sends the password unencrypted, and limits what it reads.

    The library does none of that.
    """

    _ssl_context: ssl.SSLContext | None

    def __init__(self, limit: ReadLimit, *, require_tls: bool, **options: Any) -> None:
        self._limit, self._require_tls = limit, require_tls
        super().__init__(**options)

    async def _read_bytes(self, num_bytes: int) -> Any:
        if not self._limit.consume(num_bytes):
            raise TargetFailed(TOO_LONG)
        return await super()._read_bytes(num_bytes)

    async def _request_authentication(self) -> None:
        if self._ssl_context and not self.server_capabilities & CLIENT.SSL:
            if self._require_tls:
                raise TargetFailed("the server speaks no TLS")
            self._ssl_context = None
        self._refuse_clear_password(str(self._server_auth_plugin))
        await super()._request_authentication()

    async def _process_auth(self, plugin_name: bytes, auth_packet: Any) -> Any:
        self._refuse_clear_password(plugin_name.decode("latin-1"))
        return await super()._process_auth(plugin_name, auth_packet)

    def close(self) -> None:
        """Close at once: a goodbye over TLS would first read all pending data."""
        if self._writer is not None:
            self._writer.transport.abort()
        super().close()

    def _refuse_clear_password(self, plugin: str) -> None:
        if plugin == CLEAR_PASSWORD_PLUGIN and not self._ssl_context:
            raise TargetFailed("the server wants the password unencrypted")


async def probe(target: Mysql, check: RunningCheck) -> ProbeResult:
    """Connect, query, take the chosen field of the first row."""
    login = mysql_parameters(target)
    encryption = mysql_encryption(target, login)
    tls = database_tls_context(target, login.host, encryption)
    addresses = await check.context.egress.addresses(login.host)
    try:
        connection = await _connect(addresses, login, tls, require_tls=encryption.required)
        row, columns, version = await _query(connection, target.query, check.snapshot.timeout_ms)
    except MySQLError as error:
        raise _classify_error(error) from error
    except OSError:  # a certificate error is a ValueError too
        raise
    except NOT_MYSQL as error:
        raise TargetFailed("the answer is not MySQL's protocol") from error
    value = column_value(_with_bit_numbers(row, columns), [one[0] for one in columns], target.column, target.query)
    detail = {"value": to_detail(value), "server_version": version} if check.detailed else None
    return ProbeResult(code=ANSWERED, detail=detail, value=value)


async def _query(
    connection: MysqlConnection, query: str, timeout_ms: int
) -> tuple[Sequence[object] | None, Sequence[Any], str]:
    """The first row, its columns as the server describes them, and the server's version."""
    try:
        version = str(connection.get_server_info())
        cursor = await connection.cursor(aiomysql.SSCursor)
        for statement in query_statements(query, version, timeout_ms):
            await cursor.execute(statement)
        row, columns = await cursor.fetchone(), cursor.description or ()
        await close_gracefully(_close(connection, cursor), *CLOSE_ERRORS)
    finally:
        connection.close()
    return row, columns, version


def _with_bit_numbers(row: Sequence[object] | None, columns: Sequence[Any]) -> Sequence[object] | None:
    """The row with BIT fields as numbers; the library leaves them as bytes."""
    if not row:
        return row
    fields = zip(row, columns, strict=False)
    return [
        int.from_bytes(value, "big") if column[1] == FIELD_TYPE.BIT and isinstance(value, bytes) else value
        for value, column in fields
    ]


async def _close(connection: MysqlConnection, cursor: aiomysql.SSCursor) -> None:
    await cursor.close()
    await connection.ensure_closed()


async def _connect(
    addresses: Sequence[str], login: ConnectionParameters, tls: ssl.SSLContext | None, *, require_tls: bool
) -> MysqlConnection:
    """A connection to the first address that accepts one."""
    *others, last = addresses
    for address in others:
        with contextlib.suppress(MySQLError):
            return await _sign_in(address, login, tls, require_tls=require_tls)
    return await _sign_in(last, login, tls, require_tls=require_tls)


async def _sign_in(
    address: str, login: ConnectionParameters, tls: ssl.SSLContext | None, *, require_tls: bool
) -> MysqlConnection:
    connection = MysqlConnection(
        ReadLimit(),
        require_tls=require_tls,
        host=address,
        port=login.port,
        user=login.username or "root",
        password=utf8_as_latin1(login.password),
        db=login.database or None,
        charset="utf8mb4",
        ssl=tls,
        program_name="watchkeeper",
    )
    try:
        await connection._connect()  # noqa: SLF001  # what the library's own connect() does after making its class
    except BaseException:  # the library closes on errors only, not on a cancellation
        connection.close()
        raise
    return connection


def query_statements(query: str, version: str, timeout_ms: int) -> tuple[str, ...]:
    """The statements, the query last. MySQL and MariaDB have different names for the time limit."""
    time_limit = (
        f"max_statement_time = {timeout_ms / 1000}" if "MariaDB" in version else f"max_execution_time = {timeout_ms}"
    )
    return (
        f"SET SESSION {time_limit}, sql_select_limit = 1",
        f"SET @watchkeeper = CONVERT(0x{query.encode().hex()} USING utf8mb4)",
        "PREPARE watchkeeper FROM @watchkeeper",
        "START TRANSACTION READ ONLY",
        "EXECUTE watchkeeper",
    )


def _classify_error(error: MySQLError) -> Exception:
    """The server's error, or the network error behind it."""
    if isinstance(error.__cause__, OSError):
        return classify_os_error(error.__cause__)
    number, *message = error.args or (0,)
    if number in CLIENT_ERRORS or not message:
        return TargetFailed("the connection was closed without an answer")
    return TargetFailed(f"the server answered: {message[0]}")
