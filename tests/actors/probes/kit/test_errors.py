"""Connections that end unexpectedly have the same message under both event loops and in every library."""

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from actors.probes.kit.errors import classify_os_error
from actors.probes.kit.result import CheckInconclusive, TargetFailed
from schema.status import Status
from schema.targets import (
    Http,
    Ldap,
    Mail,
    Mongodb,
    Mqtt,
    Postgres,
    Rabbitmq,
    Redis,
    SslMode,
    Tcp,
    Website,
    WebSocket,
)
from schema.targets.mail import MailProtocol, MailSecurity
from schema.targets.services import LdapSecurity

RESET = "connection reset by peer"
SILENT = "the connection was closed without an answer"
HERE = {"host": "127.0.0.1"}
PLAIN = {"url": "http://127.0.0.1:{port}/"}
ENCRYPTED = [
    (Tcp, {**HERE, "tls": True}),
    (Redis, {**HERE, "tls": True}),
    (Mongodb, {**HERE, "tls": True}),
    (Mqtt, {**HERE, "topic": "t", "tls": True}),
    (Rabbitmq, {**HERE, "username": "ann", "tls": True}),
    (Ldap, {**HERE, "security": LdapSecurity.TLS}),
    (Mail, {**HERE, "protocol": MailProtocol.SMTP, "security": MailSecurity.TLS}),
    (Http, {"url": "https://127.0.0.1:{port}/"}),
    (Website, {"url": "https://127.0.0.1:{port}/"}),
    (WebSocket, {"url": "wss://127.0.0.1:{port}/"}),
]


@contextlib.asynccontextmanager
async def ending(greeting: bytes = b"", *, rudely: bool = False) -> AsyncIterator[int]:
    """The port of a server that reads once, sends `greeting` if there is one, reads again and ends the connection.

    rudely    by a reset
    """

    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        if greeting:
            writer.write(greeting)
            await reader.read(65_536)
        if rudely:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()

    server = await asyncio.start_server(end, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
def outcomes_of_ending(check, check_on_uvloop):
    """The outcomes of both event loops for a server that ends like this."""

    async def outcomes_of(kind, fields, **how):
        async with ending(**how) as port:
            there = {"url": fields["url"].format(port=port)} if "url" in fields else {"port": port}
            target = kind(**{**fields, **there})
            outcomes = [await check(target), await check_on_uvloop(target)]
        return [(one.status, one.message) for one in outcomes]

    return outcomes_of


@pytest.mark.parametrize("rudely", [False, True])
@pytest.mark.parametrize(("kind", "fields"), ENCRYPTED)
async def test_a_handshake_that_is_broken_off_has_one_wording(outcomes_of_ending, kind, fields, rudely):
    assert await outcomes_of_ending(kind, fields, rudely=rudely) == [(Status.DOWN, RESET)] * 2


@pytest.mark.parametrize(
    ("kind", "fields", "how", "message"),
    [
        (Postgres, HERE, {}, RESET),
        (Postgres, HERE, {"rudely": True}, RESET),
        (Postgres, {**HERE, "sslmode": SslMode.REQUIRE}, {"greeting": b"N"}, "the server speaks no TLS"),
        (Postgres, {**HERE, "sslmode": SslMode.REQUIRE}, {"greeting": b"S"}, RESET),
        (Redis, HERE, {}, SILENT),
        (Redis, HERE, {"rudely": True}, RESET),
        (Http, PLAIN, {}, SILENT),
        (Http, PLAIN, {"rudely": True}, RESET),
    ],
)
async def test_an_answer_that_does_not_come_has_one_wording(outcomes_of_ending, kind, fields, how, message):
    assert await outcomes_of_ending(kind, fields, **how) == [(Status.DOWN, message)] * 2


@pytest.mark.parametrize(
    ("error", "meaning", "message"),
    [
        (ConnectionResetError(), TargetFailed, RESET),
        (ConnectionResetError("Connection lost"), TargetFailed, RESET),
        (ConnectionError("unexpected connection_lost() call"), TargetFailed, RESET),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), TargetFailed, RESET),
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "[Errno 111] Connect call failed"),
            TargetFailed,
            "connection refused",
        ),
        (ConnectionAbortedError("SSL handshake is taking too long"), TargetFailed, "ssl handshake is taking too long"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), TargetFailed, "no route to host"),
        (OSError(errno.EMFILE, "Too many open files"), CheckInconclusive, "could not ask: too many open files"),
        (OSError(), TargetFailed, "oserror"),
    ],
)
def test_an_operating_system_error_has_its_message(error, meaning, message):
    classified = classify_os_error(error)
    assert (type(classified), str(classified)) == (meaning, message)
