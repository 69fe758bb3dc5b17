"""A SQL Server of the tests, as far as a check needs it: greeting, TLS inside packets, sign-in, statements.

A real one can't be had on test machines: Microsoft gives it away for x86-64 under a licence of its own, in no package
index, and the free servers that speak TDS are forks of PostgreSQL that have to be built. What it says is written down
here from MS-TDS, byte by byte, and shares nothing with the library that the check reads it with.
"""

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator

from tests.actors.probes.scripted_server import talking

USERNAME, PASSWORD = "adä", "se same/#;'ß€"
NOT_SUPPORTED, ON = 2, 1
DONE = struct.pack("<BHHQ", 0xFD, 0, 0, 0)
FAILED = struct.pack("<BHHQ", 0xFD, 2, 0, 0)
STARTED = struct.pack("<BHBB", 0xE3, 11, 8, 8) + b"\1\2\3\4\5\6\7\x08\0"


def wide(text: str) -> bytes:
    return text.encode("utf-16-le")


def short(text: str) -> bytes:
    return bytes([len(text)]) + wide(text)


def long(text: str) -> bytes:
    return struct.pack("<H", len(text)) + wide(text)


def error(number: int, text: str) -> bytes:
    body = struct.pack("<IBB", number, 1, 14) + long(text) + short("db") + short("") + struct.pack("<I", 1)
    return struct.pack("<BH", 0xAA, len(body)) + body


def welcome() -> bytes:
    body = (
        struct.pack(">BI", 1, 0x7400_0004) + short("Microsoft SQL Server") + bytes([16, 0]) + struct.pack(">H", 4_003)
    )
    language = short("us_english") + short("")
    return (
        struct.pack("<BHB", 0xE3, len(language) + 1, 2) + language + struct.pack("<BH", 0xAD, len(body)) + body + DONE
    )


def routed(host: str, port: int) -> bytes:
    value = struct.pack("<BH", 0, port) + long(host)
    body = struct.pack("<BH", 20, len(value)) + value + b"\0\0"
    return welcome()[: -len(DONE)] + struct.pack("<BH", 0xE3, len(body)) + body + DONE


def column(kind: bytes) -> bytes:
    """What comes of one column without a name."""
    return struct.pack("<BHIH", 0x81, 1, 0, 0) + kind + b"\0"


def named(**kinds: bytes) -> bytes:
    """What comes of several columns, with their names."""
    columns = (
        struct.pack("<IH", 0, 0) + kind + bytes([len(name)]) + name.encode("utf-16-le") for name, kind in kinds.items()
    )
    return struct.pack("<BH", 0x81, len(kinds)) + b"".join(columns)


INTEGER = column(b"\x26\4")
TEXT = column(b"\xe7" + struct.pack("<H", 8_000) + b"\x09\x04\xd0\0\x34")
LONG_TEXT = column(b"\xe7\xff\xff" + b"\x09\x04\xd0\0\x34")
DECIMAL = column(b"\x6a\x05\x09\x02")
DAY = column(b"\x28")
TABLES = {
    "SELECT 1": INTEGER + b"\xd1\4" + struct.pack("<i", 1) + DONE,
    "SELECT count(*) FROM jobs": INTEGER + b"\xd1\4" + struct.pack("<i", -3) + DONE,
    "SELECT name FROM jobs": TEXT + b"\xd1" + struct.pack("<H", 8) + wide("it's") + DONE,
    "SELECT story FROM jobs": LONG_TEXT
    + b"\xd1"
    + struct.pack("<QI", 2**64 - 2, 20_000)
    + wide("ü" * 10_000)
    + struct.pack("<I", 0)
    + DONE,
    "SELECT n, name FROM jobs": named(Count=b"\x26\4", Name=b"\xe7" + struct.pack("<H", 8_000) + b"\x09\x04\xd0\0\x34")
    + b"\xd1\4"
    + struct.pack("<iH", 3, 8)
    + wide("it's")
    + DONE,
    "SELECT price FROM jobs": DECIMAL + b"\xd1\5\1" + struct.pack("<I", 150) + DONE,
    "SELECT day FROM jobs": DAY + b"\xd1\3" + (739_617).to_bytes(3, "little") + DONE,
    "SELECT nothing FROM jobs": INTEGER + b"\xd1\0" + DONE,
    "SELECT n FROM jobs WHERE n > 3": INTEGER + DONE,
    "SELECT n FROM nowhere": error(208, "Invalid object name 'nowhere'.") + FAILED,
    "SELECT 1/0": INTEGER + error(8134, "Divide by zero error encountered.") + FAILED,
}


class SqlServer:
    """One server: `batches` are the statements it was given, `users` who signed in, `lost` is set when one hangs up."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, login: bytes = b"", offers: int | None = None) -> None:
        self.tls, self.login, self.offers, self.port = tls, login, offers, 0
        self.batches, self.users, self.lost, self.requested = list[str](), list[str](), asyncio.Event(), asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(reader, writer)
        try:
            await line.receive()
            encryption = (NOT_SUPPORTED if self.tls is None else ON) if self.offers is None else self.offers
            line.send(struct.pack(">BHHB", 1, 6, 1, 255) + bytes([encryption]))
            if self.tls:
                await line.encrypt(self.tls)
            line.send(self._sign_in(await line.receive()))
            while True:
                answer = self._answer((await line.receive())[22:].decode("utf-16-le"))
                self.requested.set()
                if answer is not None:
                    line.send(answer)
        finally:
            self.lost.set()

    def _sign_in(self, packet: bytes) -> bytes:
        user, password = (packet[at : at + 2 * size] for at, size in struct.iter_unpack("<HH", packet[40:48]))
        plain = bytes(((byte ^ 0xA5) << 4 | (byte ^ 0xA5) >> 4) & 0xFF for byte in password)
        if (user, plain) != (wide(USERNAME), wide(PASSWORD)):
            return error(18456, f"Login failed for user '{user.decode('utf-16-le')}'.") + FAILED
        self.users.append(user.decode("utf-16-le"))
        return self.login or welcome()

    def _answer(self, statement: str) -> bytes | None:
        self.batches.append(statement)
        return STARTED + DONE if "BEGIN TRANSACTION" in statement else TABLES.get(statement)


class Line:
    """Packets in both directions, encrypted or not."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer, self._tls = reader, writer, False
        self._in, self._out, self._plain = ssl.MemoryBIO(), ssl.MemoryBIO(), bytearray()

    def send(self, body: bytes, kind: int = 4) -> None:
        parts = [body[at : at + 4_000] for at in range(0, len(body), 4_000)] or [b""]
        for number, part in enumerate(parts, 1):
            whole = struct.pack(">BBHHBB", kind, number == len(parts), len(part) + 8, 0, number % 256, 0) + part
            if self._tls:
                self._object.write(whole)
                whole = self._out.read()
            self._writer.write(whole)

    async def receive(self) -> bytes:
        body = b""
        while True:
            _, last, size, *_ = struct.unpack(">BBHHBB", await self._exactly(8))
            body += await self._exactly(size - 8)
            if last:
                return body

    async def encrypt(self, context: ssl.SSLContext) -> None:
        self._object = context.wrap_bio(self._in, self._out, server_side=True)
        done = False
        while not done:
            self._in.write(await self.receive())
            with contextlib.suppress(ssl.SSLWantReadError):
                self._object.do_handshake()
                done = True
            self.send(self._out.read(), 18)
        self._tls = True

    async def _exactly(self, size: int) -> bytes:
        if not self._tls:
            return await self._reader.readexactly(size)
        while len(self._plain) < size:
            try:
                self._plain += self._object.read(65_536)
            except ssl.SSLWantReadError:
                self._in.write(await self._reader.readexactly(1))
        found = bytes(self._plain[:size])
        del self._plain[:size]
        return found


@contextlib.asynccontextmanager
async def served(server: SqlServer) -> AsyncIterator[int]:
    """The port where it is."""
    async with talking(server.serve) as port:
        server.port = port
        yield port
