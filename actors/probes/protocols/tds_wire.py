"""TDS, SQL Server's protocol, below its words: packets, how a connection begins, and TLS that starts inside packets."""

import asyncio
import ssl
import struct

from actors.probes.kit.result import TargetFailed
from app.security.network.tls_client import HostContext

MAX_REPLY_BYTES = 1_000_000
PACKET_BYTES = 4_096
MAX_PACKETS = 4_096  # of one message
HEAD = struct.Struct(">BBHHBB")  # kind, whether it is the last, size with this head, process, number, window
REPLY, PRELOGIN = 4, 18
LAST = 1
VERSION, ENCRYPTION, INSTANCE, THREAD, END = 0, 1, 2, 3, 255
PLAIN_LOGIN, ENCRYPTED, UNENCRYPTED, REQUIRED = 0, 1, 2, 3  # what a side says of encryption
NOT_TDS = "the answer is not SQL Server's protocol"
READ_BYTES = 65_536


class TdsWire:
    """One connection: messages out, bounded messages in. EOFError when the other side hangs up."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._tls: ssl.SSLObject | None = None
        self._sealed, self._toward, self._opened = ssl.MemoryBIO(), ssl.MemoryBIO(), bytearray()

    async def negotiate(self, tls: HostContext | None) -> None:
        """Agree on encryption. Raises Failed when the server wants it otherwise."""
        self.send(encode_packet(PRELOGIN, encode_prelogin(UNENCRYPTED if tls is None else ENCRYPTED)))
        said = parse_encryption(await self.read_message(REPLY))
        if tls is None and said in (ENCRYPTED, REQUIRED):
            raise TargetFailed("the server wants TLS")
        if tls is not None and said not in (ENCRYPTED, REQUIRED):
            raise TargetFailed("the server speaks no TLS")
        if tls is not None:
            await self._encrypt(tls)

    def certificate(self) -> bytes | None:
        """The server's, in DER; None without TLS."""
        return self._tls.getpeercert(binary_form=True) if self._tls else None

    def send(self, data: bytes) -> None:
        """Send a packet: one that is encrypted fills one record."""
        if self._tls is None:
            self._writer.write(data)
        else:
            self._tls.write(data)
            self._writer.write(self._toward.read())

    async def read_message(self, kind: int) -> bytes:
        """What is in the packets up to the last. Raises Failed for what is no message of this kind."""
        body = bytearray()
        for _ in range(MAX_PACKETS):
            found, status, size, *_ = HEAD.unpack(await self._exactly(HEAD.size))
            if found != kind or size < HEAD.size:
                raise TargetFailed(NOT_TDS)
            body += await self._exactly(size - HEAD.size)
            if len(body) > MAX_REPLY_BYTES:
                raise TargetFailed("the answer is longer than 1 MB")
            if status & LAST:
                return bytes(body)
        raise TargetFailed(NOT_TDS)

    async def _exactly(self, size: int) -> bytes:
        if self._tls is None:
            return await self._reader.readexactly(size)
        while len(self._opened) < size:
            await self._open_more(self._tls)
        found = bytes(self._opened[:size])
        del self._opened[:size]
        return found

    async def _open_more(self, tls: ssl.SSLObject) -> None:
        """Decrypt what is there, or wait for more."""
        try:
            part = tls.read(READ_BYTES)
        except ssl.SSLWantReadError:
            part = b""
            self._sealed.write(await self._reader.read(READ_BYTES) or _raise_eof())
        except ssl.SSLZeroReturnError:
            _raise_eof()
        self._opened += part

    async def _encrypt(self, context: HostContext) -> None:
        """Shake hands, each flight in packets of its own; what follows has none around it."""
        tls = context.wrap_bio(self._sealed, self._toward)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                self._send_flight()
                self._sealed.write(await self.read_message(PRELOGIN))
            else:
                break
        self._send_flight()
        self._tls = tls

    def _send_flight(self) -> None:
        while flight := self._toward.read(PACKET_BYTES - HEAD.size):
            self._writer.write(encode_packet(PRELOGIN, flight))


def _raise_eof() -> bytes:
    raise EOFError


def encode_packet(kind: int, data: bytes) -> bytes:
    """A message of one packet."""
    return HEAD.pack(kind, LAST, HEAD.size + len(data), 0, 0, 0) + data


def encode_prelogin(encryption: int) -> bytes:
    """What a client says first: where each option is, then the options."""
    options = {VERSION: bytes(6), ENCRYPTION: bytes([encryption]), INSTANCE: b"\0", THREAD: bytes(4)}
    table, rest = b"", b""
    for kind, value in options.items():
        table += struct.pack(">BHH", kind, 5 * len(options) + 1 + len(rest), len(value))
        rest += value
    return table + bytes([END]) + rest


def parse_encryption(said: bytes) -> int:
    """What a server's greeting says of encryption. Raises Failed when that is no greeting."""
    at = 0
    try:
        while said[at] != END:
            kind, offset, _ = struct.unpack_from(">BHH", said, at)
            if kind == ENCRYPTION:
                return int(said[offset])
            at += 5
    except (IndexError, struct.error) as error:
        raise TargetFailed(NOT_TDS) from error
    return UNENCRYPTED
