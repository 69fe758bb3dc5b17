"""Runs one read-only query on a Microsoft SQL Server.

SQL Server has no read-only transactions. So targets allow one statement without words that write, it runs in a
transaction that is never committed, and closing the connection ends both. The real guard is a login that may only read.
"""

import re
from ssl import TLSVersion

import msgspec
from msgspec import Struct

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.query_columns import column_value
from actors.probes.kit.result import ProbeResult, TargetFailed
from actors.probes.kit.values import to_detail
from actors.probes.net.tls import certificate_days_left, named_tls_context
from actors.probes.protocols.tds_session import SqlServerSession
from actors.probes.protocols.tds_wire import TdsWire
from app.domain.connections.ado import sqlserver_encryption, sqlserver_parameters
from app.domain.connections.uris import ConnectionParameters
from app.domain.parsing.values import Scalar
from app.security.network.tls_client import HostContext
from schema.heartbeat_texts import ANSWERED
from schema.targets import Sqlserver

HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:%-]{0,252}")  # where a server may redirect us


class SqlServerResult(Struct, frozen=True):
    """The query's result. `certificate` is the server's, in DER."""

    value: Scalar
    version: str
    certificate: bytes | None


async def probe(target: Sqlserver, check: RunningCheck) -> ProbeResult:
    """Connect, query, take the chosen field of the first row."""
    login = sqlserver_parameters(target)
    try:
        result = await _query(target, login, check)
    except EOFError as error:
        raise TargetFailed("the connection was closed without an answer") from error
    detail = {"value": to_detail(result.value), "server_version": result.version} if check.detailed else None
    days = certificate_days_left(result.certificate) if result.certificate else None
    return ProbeResult(code=ANSWERED, detail=detail, value=result.value, certificate_days=days)


async def _query(
    target: Sqlserver, login: ConnectionParameters, check: RunningCheck, *, redirected: bool = False
) -> SqlServerResult:
    """The result from this server, or from the one that it redirects us to."""
    tls = _tls_context(target, login)
    reader, writer = await check.context.egress.open_connection(login.host, login.port)
    try:
        wire = TdsWire(reader, writer)
        await wire.negotiate(tls)
        session = SqlServerSession(wire, login)
        redirect = await session.sign_in()
        if redirect is None:
            await session.prepare(check.snapshot.timeout_ms)
            row, names = await session.first_row(target.query)
            value = column_value(row, names, target.column, target.query)
            return SqlServerResult(value, session.version, wire.certificate())
    finally:
        writer.transport.abort()
    host, port = redirect
    if redirected or not HOST.fullmatch(host) or not port:
        raise TargetFailed("the server sends us on to no place that can be asked")
    return await _query(target, msgspec.structs.replace(login, host=host, port=port), check, redirected=True)


def _tls_context(target: Sqlserver, login: ConnectionParameters) -> HostContext | None:
    """TLS inside packets only works up to version 1.2."""
    encryption = sqlserver_encryption(target, login)
    if not encryption.tls:
        return None
    return named_tls_context(target, login.host, verify=encryption.verify_certificate, max_version=TLSVersion.TLSv1_2)
