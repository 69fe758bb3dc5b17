"""Sends one read-only command to a Redis, Valkey or KeyDB."""

import asyncio

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import ProbeResult, TargetFailed
from actors.probes.kit.values import to_detail, to_untyped
from actors.probes.net.tls import database_tls_context, peer_certificate_days
from actors.probes.protocols.redis_resp import RedisErrorReply, Reply, ReplyReader, encode_command
from app.domain.connections.databases import redis_encryption, redis_parameters
from app.domain.connections.uris import ConnectionParameters
from app.domain.parsing.values import ABSENT, Scalar
from schema.heartbeat_texts import ANSWERED
from schema.targets import Redis


async def probe(target: Redis, check: RunningCheck) -> ProbeResult:
    """Connect, sign in, select the database, send the command."""
    login = redis_parameters(target)
    tls = database_tls_context(target, login.host, redis_encryption(target, login))
    reader, writer = await check.context.egress.open_connection(login.host, login.port, ssl=tls)
    try:
        reply, days = await _run_command(target, login, reader, writer), peer_certificate_days(writer)
    finally:
        writer.transport.abort()
    value = reply_value(reply)
    detail = {"command": target.command, "value": to_detail(value)} if check.detailed else None
    return ProbeResult(code=ANSWERED, detail=detail, value=value, certificate_days=days)


async def _run_command(
    target: Redis, login: ConnectionParameters, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Reply:
    """The command's reply. Raises TargetFailed for the first step that is refused."""
    replies = ReplyReader(reader)
    for failure, words in _steps(target, login):
        writer.write(encode_command(*words))
        try:
            reply = await replies.read()
        except RedisErrorReply as error:
            raise TargetFailed(f"{failure}: {error}") from error
    return reply


def _steps(target: Redis, login: ConnectionParameters) -> list[tuple[str, list[str]]]:
    steps = [("the server refused the command", target.command.split())]
    if login.database not in {"", "0"}:
        steps.insert(0, ("the server refused the database", ["SELECT", login.database]))
    if login.password:
        user = [login.username] if login.username else []
        steps.insert(0, ("the server refused the sign-in", ["AUTH", *user, login.password]))
    return steps


def reply_value(reply: Reply) -> Scalar:
    """The value for assertions: the reply, or the first element of a list; ABSENT for an empty one."""
    while isinstance(reply, list):
        if not reply:
            return ABSENT
        reply = reply[0]
    return to_untyped(reply)
