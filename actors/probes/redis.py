"""Asks a Redis, Valkey or KeyDB one read-only command."""

import asyncio
import ssl

from actors.probes.login import Login, login_of
from actors.probes.resp import Replies, Reply, Said, command
from actors.probes.scalar import shown, untyped
from actors.probes.seen import Failed, Seen, Unsure
from actors.probes.tls import context_by, days_left
from actors.probes.tools import Asked
from app.domain.values import ABSENT, Scalar
from schema.messages import ANSWERED
from schema.targets import Redis

SCHEMES = ("redis", "rediss", "valkey", "valkeys")


async def probe(target: Redis, asked: Asked) -> Seen:
    """Connect, sign in, choose the database, ask."""
    login = login_of(target, SCHEMES, frozenset(), database=str(target.database))
    reader, writer = await asked.tools.egress.open_connection(login.host, login.port, ssl=_encryption(target, login))
    try:
        reply, days = await _answer(target, login, reader, writer), days_left(writer)
    finally:
        writer.transport.abort()
    value = first(reply)
    detail = {"command": target.command, "value": shown(value)} if asked.detailed else None
    return Seen(code=ANSWERED, detail=detail, value=value, certificate_days=days)


def _encryption(target: Redis, login: Login) -> ssl.SSLContext | None:
    if not target.tls and login.scheme not in {"rediss", "valkeys"}:
        return None
    return context_by(target, login.host)


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
        if not login.database.isdigit():
            raise Unsure("the connection string names a database that is no number")
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
