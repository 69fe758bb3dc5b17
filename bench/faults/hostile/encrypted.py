"""Servers whose TLS is broken, whose certificates are, or both."""

import asyncio
import contextlib
import ssl
import struct
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from bench.faults.hostile.scripts import (
    POISON,
    REQUEST_BYTES,
    Kind,
    Script,
    computing,
    dripping,
    flooding,
    local,
    replying,
    sending,
    silent,
    value_is,
)

PLACE = "caf~ _ placeholder"  # its bytes are replaced after the certificate was made
WIDE = 3_000  # names of one certificate
TICKETS = 20_000
PRIME_BITS = 10_000
AT_ONCE = 4  # asyncio warns of a fifth write after the connection was lost


Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def _names(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text), x509.NameAttribute(NameOID.LOCALITY_NAME, text)])


def _certificate(subject: str, hosts: list[str], days: float = 300, key: Key | None = None) -> tuple[bytes, Key]:
    """A certificate that signs itself, in DER, and its key."""
    key, now = key or ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_names(subject))
        .issuer_name(_names(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=900))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
    )
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER), key


def _context(der: bytes, key: Key) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "leaf.pem"
        path.write_text(ssl.DER_cert_to_PEM_cert(der) + secret, encoding="ascii")
        made.load_cert_chain(path)
    return made


def _generous() -> ssl.SSLContext:
    """Sends only session tickets."""
    made = _context(*_certificate("generous", ["watch.example"]))
    made.num_tickets = TICKETS
    return made


def _ponderous() -> ssl.SSLContext:
    """Exchanges keys by TLS 1.2 with a number that takes seconds to calculate with."""
    made = _context(*_certificate("ponderous", ["watch.example"], key=rsa.generate_private_key(65_537, 2_048)))
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    made.set_ciphers("DHE")
    whole = _integer((1 << PRIME_BITS) - 15) + _integer(2)
    with tempfile.NamedTemporaryFile() as file:
        file.write(
            ssl.DER_cert_to_PEM_cert(b"\x30\x82" + struct.pack(">H", len(whole)) + whole)
            .replace("CERTIFICATE", "DH PARAMETERS")
            .encode()
        )
        file.flush()
        made.load_dh_params(file.name)
    return made


def _integer(number: int) -> bytes:
    body = number.to_bytes(number.bit_length() // 8 + 1)
    return (
        b"\x02\x82" + struct.pack(">H", len(body)) + body
        if number > 1 << 1_024
        else b"\x02" + bytes([len(body)]) + body
    )


def _poisoned() -> ssl.SSLContext:
    der, key = _certificate(PLACE, ["watch.example"])
    poison = (POISON.replace(b"\x07", b"") + bytes(len(PLACE)))[: len(PLACE)]
    size = bytes([len(PLACE)])  # T61String takes any byte, where a UTF8String would be refused by our own side
    return _context(der.replace(b"\x0c" + size + PLACE.encode(), b"\x14" + size + poison), key)


CONTEXTS: Mapping[str, Callable[[], ssl.SSLContext]] = {
    "other": cache(lambda: _context(*_certificate("somebody else", ["else.example"]))),
    "ended": cache(lambda: _context(*_certificate("a \0 b \x1b[31m \u202e", ["watch.example"], -1))),
    "poisoned": cache(_poisoned),
    "wide": cache(lambda: _context(*_certificate("a" * 60, [f"{n}.watch.example" for n in range(WIDE)]))),
    "generous": cache(_generous),
    "ponderous": cache(_ponderous),
    "nul": cache(lambda: _context(*_certificate("watch.example\0.evil", ["127.0.0.1\0.evil"]))),
}


def record(kind: int, body: bytes) -> bytes:
    """A record of TLS 1.2."""
    return bytes([kind, 3, 3]) + struct.pack(">H", len(body)) + body


def https(name: str, script: Script, tls: str = "", **more: Any) -> Kind:
    """An HTTPS monitor that looks at a server."""
    return Kind(
        name=f"https: {name}",
        type="http",
        config=lambda port: {"url": f"https://127.0.0.1:{port}/", **more},
        script=script,
        tls=tls,
    )


def certificate_kind(name: str, tls: str, script: Script = silent, **more: Any) -> Kind:
    """A certificate monitor that looks at a server."""
    return Kind(name=f"ssl: {name}", type="ssl", config=local(**more), script=script, tls=tls)


def beginning(part: bytes) -> Script:
    """Answers a handshake of TLS 1.3 as it should be, but for the first record; then this part without end."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello, flight = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = CONTEXTS["other"]().wrap_bio(hello, flight, server_side=True)
        hello.write(await reader.read(REQUEST_BYTES))
        with contextlib.suppress(ssl.SSLWantReadError):
            server.do_handshake()
        head = flight.read(5)
        await flooding(head + flight.read(int.from_bytes(head[3:])), part, after_request=False)(reader, writer)

    return script


async def bytewise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A body of ten gigabytes, in which each byte has a record of its own."""
    await reader.read(REQUEST_BYTES)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
    while not writer.is_closing():
        for _ in range(AT_ONCE):
            writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0)  # the end of the connection is noticed in a turn of its own


ALERT = record(21, b"\1\x5a")  # a warning, for which one goes on
HELLO_AGAIN = record(22, b"\0\0\0\0")  # the wish to begin anew
BAD = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
IGNORING = {"ignore_tls_errors": True}
KINDS = [
    https("letters instead of a handshake", replying(POISON)),
    https("HTTP instead of a handshake", replying(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
    https("a handshake that breaks off", replying(record(22, b"\2\0\0\x50\3\3")[:9])),
    https("a handshake of 16 MB", flooding(record(22, b"\2\xff\xff\xff" + b"a" * 99), record(22, b"a" * 16_000))),
    https("alerts without end", flooding(b"", ALERT)),
    https("wishes to begin anew without end", flooding(b"", HELLO_AGAIN)),
    https("a change of keys without end", beginning(record(20, b"\1"))),
    https("an early change of keys without end", flooding(b"", record(20, b"\1"))),
    https("a key exchange that takes seconds", silent, "ponderous", **IGNORING),
    https("20,000 tickets", silent, "generous", **IGNORING),
    https("a record for each byte", bytewise, "nul", **IGNORING, keyword="needle"),
    https("a record of no length without end", flooding(b"", record(22, b""))),
    https("a handshake of a byte a second", dripping(record(22, b"\2\0\0\x50")[:7])),
    https("a fatal alert nobody knows", replying(record(21, b"\2\xff"))),
    https("silence instead of a handshake", silent),
    https("a certificate for somebody else", replying(BAD), "other"),
    https("a certificate of poison", replying(BAD), "poisoned", **IGNORING),
    https("a certificate of 3,000 names", replying(BAD), "wide", **IGNORING),
    https("a certificate with NUL in its names", replying(BAD), "nul"),
    https("a certificate that ended", replying(BAD), "ended", **IGNORING, check_cert_expiry=True),
    certificate_kind("a certificate for somebody else", "other"),
    certificate_kind("a certificate of poison", "poisoned"),
    certificate_kind("a certificate of 3,000 names", "wide"),
    certificate_kind("a certificate with NUL in its names", "nul"),
    certificate_kind("a certificate that ended", "ended", verify_hostname=False),
    certificate_kind("letters instead of a handshake", "", sending(POISON)),
    Kind(name="tcp: words that are none, encrypted", type="tcp", config=local(tls=True, **IGNORING, expect="needle"),
         script=sending(POISON), tls="poisoned"),
    Kind(name="redis: an error that is none, encrypted", type="redis", config=local(tls=True, **IGNORING),
         script=replying(b"-ERR " + POISON + b"\r\n"), tls="nul"),
    Kind(name="mail: a greeting that is none, encrypted", type="mail",
         config=local(protocol="smtp", security="tls", **IGNORING), script=sending(b"554 " + POISON + b"\r\n"),
         tls="ended"),
    Kind(name="mqtt: a certificate of poison", type="mqtt", config=local(topic="a", tls=True, **IGNORING,
                                                                        assertions=value_is("1")),
         script=computing(lambda _: b"\x20\2\0\5"), tls="poisoned"),
]  # fmt: skip
