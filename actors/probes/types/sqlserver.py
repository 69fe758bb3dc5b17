"""Asks a Microsoft SQL Server one query that only reads.

SQL Server has no read-only transactions. So the target takes one statement of words that don't write, it runs in a
transaction that nobody commits, and the connection is dropped, which ends both. The real guard is a login that may only
read.
"""

import re
from ssl import TLSVersion

import msgspec
from msgspec import Struct

from actors.probes.kit.context import Asked
from actors.probes.kit.query_columns import value_of
from actors.probes.kit.result import Failed, Seen
from actors.probes.kit.values import shown
from actors.probes.net.tls import context_by, days_of
from actors.probes.protocols.tds_session import Session
from actors.probes.protocols.tds_wire import Wire
from app.domain.connections.ado import sqlserver_encryption, sqlserver_login
from app.domain.connections.uris import Login
from app.domain.monitoring.values import Scalar
from app.security.network.tls_client import Named
from schema.heartbeat_texts import ANSWERED
from schema.targets import Sqlserver

HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:%-]{0,252}")  # where a server may send us


class Answer(Struct, frozen=True):
    """What the server said. `certificate` is its own, in DER."""

    value: Scalar
    version: str
    certificate: bytes | None


async def probe(target: Sqlserver, asked: Asked) -> Seen:
    """Connect, ask, take the first row's field that counts."""
    login = sqlserver_login(target)
    try:
        answer = await _answer(target, login, asked)
    except EOFError as error:
        raise Failed("the connection was closed without an answer") from error
    detail = {"value": shown(answer.value), "server_version": answer.version} if asked.detailed else None
    days = days_of(answer.certificate) if answer.certificate else None
    return Seen(code=ANSWERED, detail=detail, value=answer.value, certificate_days=days)


async def _answer(target: Sqlserver, login: Login, asked: Asked, *, sent_on: bool = False) -> Answer:
    """The answer of the server, or of the one that it sends us to."""
    tls = _context(target, login)
    reader, writer = await asked.tools.egress.open_connection(login.host, login.port)
    try:
        wire = Wire(reader, writer)
        await wire.begin(tls)
        session = Session(wire, login)
        elsewhere = await session.sign_in()
        if elsewhere is None:
            await session.prepare(asked.snapshot.timeout_ms)
            row, names = await session.first(target.query)
            value = value_of(row, names, target.column, target.query)
            return Answer(value, session.version, wire.certificate())
    finally:
        writer.transport.abort()
    host, port = elsewhere
    if sent_on or not HOST.fullmatch(host) or not port:
        raise Failed("the server sends us on to no place that can be asked")
    return await _answer(target, msgspec.structs.replace(login, host=host, port=port), asked, sent_on=True)


def _context(target: Sqlserver, login: Login) -> Named | None:
    """TLS that starts inside packets ends with version 1.2."""
    wanted = sqlserver_encryption(target, login)
    if not wanted.wanted:
        return None
    return context_by(target, login.host, verify=wanted.verifies, newest=TLSVersion.TLSv1_2)
