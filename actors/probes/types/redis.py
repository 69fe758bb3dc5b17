"""Asks a Redis, Valkey or KeyDB one read-only command."""

import asyncio

from actors.probes.kit.context import Asked
from actors.probes.kit.result import Failed, Seen
from actors.probes.kit.values import shown, untyped
from actors.probes.net.tls import context_from, days_left
from actors.probes.protocols.redis_resp import Replies, Reply, Said, command
from app.domain.connections.databases import redis_encryption, redis_login
from app.domain.connections.uris import Login
from app.domain.monitoring.values import ABSENT, Scalar
from schema.heartbeat_texts import ANSWERED
from schema.targets import Redis


async def probe(target: Redis, asked: Asked) -> Seen:
    """Connect, sign in, choose the database, ask."""
    login = redis_login(target)
    tls = context_from(target, login.host, redis_encryption(target, login))
    reader, writer = await asked.tools.egress.open_connection(login.host, login.port, ssl=tls)
    try:
        reply, days = await _answer(target, login, reader, writer), days_left(writer)
    finally:
        writer.transport.abort()
    value = first(reply)
    detail = {"command": target.command, "value": shown(value)} if asked.detailed else None
    return Seen(code=ANSWERED, detail=detail, value=value, certificate_days=days)


async def _answer(target: Redis, login: Login, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Reply:
    """The command's reply; the first step that is refused is the reason."""
    replies = Replies(reader)
    for what, words in _steps(target, login):
        writer.write(command(*words))
        try:
            reply = await replies.one()
        except Said as said:
            raise Failed(f"{what}: {said}") from said
    return reply


def _steps(target: Redis, login: Login) -> list[tuple[str, list[str]]]:
    steps = [("the server refused the command", target.command.split())]
    if login.database not in {"", "0"}:
        steps.insert(0, ("the server refused the database", ["SELECT", login.database]))
    if login.password:
        user = [login.username] if login.username else []
        steps.insert(0, ("the server refused the sign-in", ["AUTH", *user, login.password]))
    return steps


def first(reply: Reply) -> Scalar:
    """What an assertion compares: the reply, or of a list its first element; an empty list has none."""
    while isinstance(reply, list):
        if not reply:
            return ABSENT
        reply = reply[0]
    return untyped(reply)
