"""The SMTP client that checks and senders share."""

import asyncio
import ssl

import pytest
from aiosmtplib import SMTPResponseException

from app.security.network.egress import Egress
from app.security.network.resolver import Resolver
from app.security.network.smtp_client import MAX_LINES, SmtpClient, connect_smtp
from tests.actors.probes.scripted_server import Script, talking


async def client_at(port: int) -> SmtpClient:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return await connect_smtp(Egress(Resolver()), "127.0.0.1", port, context, implicit_tls=False)


def greeting_with(n_lines: int) -> Script:
    """A greeting of so many lines, each sent on its own."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(n_lines - 1):
            writer.write(b"220-a\r\n")
            await writer.drain()
        writer.write(b"220 hi\r\n")
        await reader.read()

    return script


async def test_a_long_greeting_is_read() -> None:
    async with talking(greeting_with(MAX_LINES)) as port:
        client = await client_at(port)
        greeting = await client.read_greeting()
        client.abort()
    assert greeting.message.split() == ["a"] * (MAX_LINES - 1) + ["hi"]


async def test_lines_without_end_are_refused_long_before_their_bytes_are_too_many() -> None:
    async with talking(greeting_with(MAX_LINES + 1)) as port:
        client = await client_at(port)
        with pytest.raises(SMTPResponseException, match="too long"):
            await client.read_greeting()
        client.abort()


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        ("mx.home.example", b"mx.home.example"),
        ("3f2a9c", b"[127.0.0.1]"),
        ("my machine.example", b"[127.0.0.1]"),
    ],
)
async def test_a_machine_without_a_domain_is_named_by_its_address(
    monkeypatch: pytest.MonkeyPatch, machine: str, name: bytes
) -> None:
    greetings: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greetings.append(await reader.readline())
        writer.write(b"250 hi\r\n")
        await reader.read()

    monkeypatch.setattr("socket.gethostname", lambda: machine)
    async with talking(script) as port:
        client = await client_at(port)
        await client.send_ehlo()
        client.abort()
    assert greetings == [b"EHLO " + name + b"\r\n"]
