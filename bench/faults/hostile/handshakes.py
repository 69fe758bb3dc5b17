"""Servers of every protocol whose TLS handshake never ends: at once, or once encryption was agreed on."""

import asyncio
from collections.abc import Callable
from typing import Any

from actors.probes.protocols import ber, ldap_messages, tds_wire
from bench.faults.hostile.databases import MYSQL_HELLO, NO_NUL, mysql_packet, postgres_error
from bench.faults.hostile.encrypted import HELLO_AGAIN
from bench.faults.hostile.scripts import REQUEST_BYTES, Kind, Script, flooding, local

END = "a handshake without end"
PREFERRED = "postgres, TLS preferred"
SSL_REQUEST_BYTES = 8
ENDLESS = flooding(b"", HELLO_AGAIN)
STARTTLS: dict[str, Any] = {"security": "starttls"}
SIGN_IN: dict[str, Any] = {"username": "ada", "password": "secret", "query": "SELECT 1", "tls": True}
LOGGED_IN: dict[str, Any] = {"username": "ada", "password": "secret", "tls": True}
MYSQL_TLS = MYSQL_HELLO.replace(NO_NUL, b"8.0.1").replace(b"\xff\xf7", b"\xff\xff")  # TLS is among what it can


def agreeing(*replies: bytes | Callable[[bytes], bytes], first: bytes = b"", endless: Script = ENDLESS) -> Script:
    """Greets and answers until the next words are a handshake."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        for reply in replies:
            request = await reader.read(REQUEST_BYTES)
            writer.write(reply if isinstance(reply, bytes) else reply(request))
            await writer.drain()
        await endless(reader, writer)

    return script


def kind(type_: str, script: Script = ENDLESS, name: str = "", **more: Any) -> Kind:
    """A server at a port."""
    return Kind(name=f"{name or type_}: {END}", type=type_, config=local(**more), script=script)


def addressed(type_: str, field: str, form: str, script: Script = ENDLESS, **more: Any) -> Kind:
    """A server at an address."""
    return Kind(
        name=f"{type_}: {END}", type=type_, config=lambda port: {field: form.format(port), **more}, script=script
    )


def _agreed(request: bytes) -> bytes:
    id_, *_ = ldap_messages.parse_message(request)
    body = ber.element(0x78, ber.integer(0, ber.ENUMERATED), ber.octets(b""), ber.octets(b""))
    return ldap_messages.encode_message(id_, body)


def _preferred(request: bytes) -> bytes:
    """Without TLS it is another trouble that ends the check."""
    return b"S" if len(request) == SSL_REQUEST_BYTES else postgres_error(b"no")


KINDS = [
    kind("ssl"),
    kind("tcp", tls=True),
    kind("redis", tls=True),
    kind("mongodb", tls=True),
    kind("mqtt", tls=True, topic="a"),
    kind("rabbitmq", **LOGGED_IN),
    kind("ldap", security="tls"),
    kind("ldap", agreeing(_agreed), "ldap after StartTLS", **STARTTLS),
    kind("mail", name="smtp", protocol="smtp", security="tls"),
    kind("mail", agreeing(b"250-me\r\n250 STARTTLS\r\n", b"220 go\r\n", first=b"220 me\r\n"), "smtp after STARTTLS",
         protocol="smtp", **STARTTLS),
    kind("mail", agreeing(b"* CAPABILITY STARTTLS\r\nw OK\r\n", b"w OK\r\n", first=b"* OK me\r\n"),
         "imap after STARTTLS", protocol="imap", **STARTTLS),
    kind("mail", agreeing(b"+OK\r\n", first=b"+OK me\r\n"), "pop3 after STLS", protocol="pop3", **STARTTLS),
    kind("postgres", agreeing(b"S"), sslmode="require"),
    kind("postgres", agreeing(_preferred), PREFERRED),
    kind("mysql", agreeing(first=mysql_packet(MYSQL_TLS)), **SIGN_IN),
    kind("sqlserver", agreeing(
        tds_wire.encode_packet(tds_wire.REPLY, tds_wire.encode_prelogin(tds_wire.ENCRYPTED)),
        endless=flooding(b"", tds_wire.encode_packet(tds_wire.PRELOGIN, HELLO_AGAIN * 100))), **SIGN_IN),
    kind("dns", host="watch.example", resolver_server="127.0.0.1", transport="tls"),
    addressed("docker", "daemon", "tcp://127.0.0.1:{}", container="a", tls=True),
    addressed("website", "url", "https://127.0.0.1:{}/"),
    addressed("websocket", "url", "wss://127.0.0.1:{}/"),
    Kind(name=f"kafka-producer: {END}", type="kafka-producer", script=ENDLESS,
         config=lambda port: {"brokers": [f"127.0.0.1:{port}"], "topic": "a", "message": "a", "tls": True}),
    Kind(name=f"rabbitmq's node: {END}", type="rabbitmq", script=ENDLESS,
         config=lambda port: {"nodes": [f"https://127.0.0.1:{port}"], "username": "ada"}),
    Kind(name=f"dns over https: {END}", type="dns", script=ENDLESS,
         config=lambda port: {"host": "watch.example", "transport": "https",
                              "resolver_url": f"https://127.0.0.1:{port}/dns-query"}),
]  # fmt: skip
