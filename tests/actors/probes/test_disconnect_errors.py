"""The status is decided before the connection closes: errors while disconnecting do not change it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest
from pamqp import commands, frame

from schema.status import Status
from schema.targets import Ldap, Mail, MailProtocol, Mqtt, Mysql, Postgres, Rabbitmq, Redis, SslMode
from tests.actors.probes.scripted_server import Script, talking
from tests.actors.probes.servers_sql import mariadb, postgresql

AT: dict[str, Any] = {"host": "127.0.0.1"}
SENDING: dict[str, Any] = {"test_send": True, "from_email": "a@b.test", "to_email": "c@d.test"}


def amqp(*methods: Any) -> list[bytes]:
    return [frame.marshal(one, 0) for one in methods]


SMTP, IMAP, POP3 = (lambda port, kind=kind: Mail(**AT, port=port, protocol=kind) for kind in MailProtocol)
TARGETS: dict[str, tuple[Any, Sequence[bytes]]] = {  # and what its server sends, one part after each request
    "smtp": (SMTP, [b"220 mx\r\n", b"250 mx\r\n"]),
    "smtp that sends": (
        lambda port: Mail(**AT, port=port, protocol=MailProtocol.SMTP, **SENDING),
        [b"220 mx\r\n", b"250 mx\r\n", b"250 ok\r\n", b"251 will forward\r\n", b"354 go on\r\n", b"250 taken\r\n"],
    ),
    "imap": (IMAP, [b"* OK hi\r\n", b"* CAPABILITY IMAP4rev1\r\nw OK\r\n"]),
    "pop3": (POP3, [b"+OK hi\r\n", b"+OK\r\nUSER\r\n.\r\n"]),
    "rabbitmq": (
        lambda port: Rabbitmq(**AT, port=port, username="u"),
        [
            b"",
            *amqp(
                commands.Connection.Start(0, 9, {}, "PLAIN", "en_US"),
                commands.Connection.Tune(10, 131_072, 0),
                commands.Connection.OpenOk(),
            ),
        ],
    ),
    "ldap": (lambda port: Ldap(**AT, port=port), [b"", b"0\x0c\2\1\1a\7\x0a\1\0\4\0\4\0"]),
    "mqtt": (
        lambda port: Mqtt(**AT, port=port, topic="t", wait_for_message=False),
        [b"", b"\x20\2\0\0", b"\x90\3\0\1\0"],
    ),
    "redis": (lambda port: Redis(**AT, port=port), [b"", b"+PONG\r\n"]),
}
ENDINGS = {"hangs up": None, "says yes": b"250 yes\r\n", "says no": b"500 what?\r\n", "says anything": b"\xff\0" * 99}


def scripted(parts: Sequence[bytes], ending: bytes | None) -> Script:
    """Sends a part after each request; AMQP's client sends two at once. Then comes the ending."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, part in enumerate(parts):
            if number:
                await reader.read(65_536)
            writer.write(part)
            await writer.drain()
        if ending is not None:
            await reader.read(65_536)
            writer.write(ending)
            await reader.read()

    return script


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("what", TARGETS)
async def test_the_response_to_a_disconnect_does_not_change_the_status(check, what, ending):
    target, parts = TARGETS[what]
    async with talking(scripted(parts, ENDINGS[ending])) as port:
        outcome = await check(target(port))
    assert (outcome.status, outcome.message) == (Status.UP, "")


@pytest.mark.parametrize("what", TARGETS)
async def test_a_missing_response_to_a_disconnect_does_not_change_the_status(check, what):
    target, parts = TARGETS[what]
    async with talking(scripted(parts, b"")) as port:
        outcome = await check(target(port))
    assert (outcome.status, outcome.message) == (Status.UP, "")


@pytest.mark.parametrize(
    ("recipient", "expected_status"),
    [(b"250 ok", Status.UP), (b"251 will forward", Status.UP), (b"551 try c@e.test", Status.DOWN)],
)
async def test_a_recipient_who_is_forwarded_to_is_one(check, recipient, expected_status):
    target, parts = TARGETS["smtp that sends"]
    replies = [recipient + b"\r\n" if one.startswith(b"251") else one for one in parts]
    async with talking(scripted(replies, b"221 bye\r\n")) as port:
        outcome = await check(target(port))
    assert outcome.status is expected_status


@contextlib.asynccontextmanager
async def cutting(port: int, marker: bytes) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """The port of a proxy that disconnects a client that sends these bytes, and whether it did."""
    cut = asyncio.Event()

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamWriter) -> None:
        while part := await reader.read(65_536):
            if part.endswith(marker):
                cut.set()
                back.transport.abort()
                break
            writer.write(part)
        writer.close()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, out = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pour(reader, out, writer), pour(there, writer, out), return_exceptions=True)

    async with talking(script) as front:
        yield front, cut


async def test_a_postgresql_that_disconnects_at_the_rollback_is_up(check):
    with postgresql("ada", "sesame", "SELECT 1") as port:
        async with cutting(port, b"ROLLBACK;\0") as (front, cut):
            target = Postgres(**AT, port=front, username="ada", password="sesame", sslmode=SslMode.DISABLE)
            outcome = await check(msgspec.structs.replace(target, database="postgres"))
    assert (outcome.status, outcome.message) == (Status.UP, "")
    assert cut.is_set()


async def test_a_mysql_that_disconnects_at_the_quit_is_up(check):
    with mariadb("CREATE USER 'ada'@'127.0.0.1' IDENTIFIED BY 'sesame';") as port:
        async with cutting(port, b"\1\0\0\0\1") as (front, cut):  # COM_QUIT
            outcome = await check(Mysql(**AT, port=front, username="ada", password="sesame"))
            await cut.wait()
    assert (outcome.status, outcome.message) == (Status.UP, "")
