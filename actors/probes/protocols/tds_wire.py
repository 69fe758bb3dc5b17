"""TDS, SQL Server's protocol, below its messages: packets, the pre-login, and TLS that starts inside packets."""

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
ENCRYPTED, UNENCRYPTED, REQUIRED = 1, 2, 3  # values of the encryption option
NOT_TDS = "the answer is not SQL Server's protocol"
READ_BYTES = 65_536


class TdsWire:
    """One connection: messages out, bounded messages in. EOFError when the server closes it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing, self._decrypted = ssl.MemoryBIO(), ssl.MemoryBIO(), bytearray()

    async def negotiate(self, tls: HostContext | None) -> None:
        """Agree on encryption. Raises TargetFailed when the server requires something else."""
        self.send(encode_packet(PRELOGIN, encode_prelogin(UNENCRYPTED if tls is None else ENCRYPTED)))
        offered = parse_encryption(await self.read_message(REPLY))
        if tls is None and offered in (ENCRYPTED, REQUIRED):
            raise TargetFailed("the server wants TLS")
        if tls is not None and offered not in (ENCRYPTED, REQUIRED):
            raise TargetFailed("the server speaks no TLS")
        if tls is not None:
            await self._encrypt(tls)

    def certificate(self) -> bytes | None:
        """The server's certificate in DER; None without TLS."""
        return self._tls.getpeercert(binary_form=True) if self._tls else None

    def send(self, data: bytes) -> None:
        """Send a packet, as one TLS record when encrypted."""
        if self._tls is None:
            self._writer.write(data)
        else:
            self._tls.write(data)
            self._writer.write(self._outgoing.read())

    async def read_message(self, kind: int) -> bytes:
        """The contents of all packets of a message. Raises TargetFailed for anything but a message of this kind."""
        body = bytearray()
        for _ in range(MAX_PACKETS):
            packet_kind, status, size, *_ = HEAD.unpack(await self._read_exactly(HEAD.size))
            if packet_kind != kind or size < HEAD.size:
                raise TargetFailed(NOT_TDS)
            body += await self._read_exactly(size - HEAD.size)
            if len(body) > MAX_REPLY_BYTES:
                raise TargetFailed("the answer is longer than 1 MB")
            if status & LAST:
                return bytes(body)
        raise TargetFailed(NOT_TDS)

    async def _read_exactly(self, size: int) -> bytes:
        if self._tls is None:
            return await self._reader.readexactly(size)
        while len(self._decrypted) < size:
            await self._decrypt_more(self._tls)
        chunk = bytes(self._decrypted[:size])
        del self._decrypted[:size]
        return chunk

    async def _decrypt_more(self, tls: ssl.SSLObject) -> None:
        """Decrypt what is here, or wait for more."""
        try:
            part = tls.read(READ_BYTES)
        except ssl.SSLWantReadError:
            part = b""
            self._incoming.write(await self._reader.read(READ_BYTES) or _raise_eof())
        except ssl.SSLZeroReturnError:
            _raise_eof()
        self._decrypted += part

    async def _encrypt(self, host_context: HostContext) -> None:
        """Do the handshake, each flight in packets of its own; later records have no packets around them."""
        tls = host_context.wrap_bio(self._incoming, self._outgoing)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                self._send_flight()
                self._incoming.write(await self.read_message(PRELOGIN))
            else:
                break
        self._send_flight()
        self._tls = tls

    def _send_flight(self) -> None:
        while flight := self._outgoing.read(PACKET_BYTES - HEAD.size):
            self._writer.write(encode_packet(PRELOGIN, flight))


def _raise_eof() -> bytes:
    raise EOFError


def encode_packet(kind: int, data: bytes) -> bytes:
    """A message of one packet."""
    return HEAD.pack(kind, LAST, HEAD.size + len(data), 0, 0, 0) + data


def encode_prelogin(encryption: int) -> bytes:
    """The client's pre-login: where each option is, then the options."""
    options = {VERSION: bytes(6), ENCRYPTION: bytes([encryption]), INSTANCE: b"\0", THREAD: bytes(4)}
    table, rest = b"", b""
    for kind, value in options.items():
        table += struct.pack(">BHH", kind, 5 * len(options) + 1 + len(rest), len(value))
        rest += value
    return table + bytes([END]) + rest


def parse_encryption(response: bytes) -> int:
    """The encryption option in a server's pre-login. Raises TargetFailed for anything else."""
    at = 0
    try:
        while response[at] != END:
            kind, offset, _ = struct.unpack_from(">BHH", response, at)
            if kind == ENCRYPTION:
                return int(response[offset])
            at += 5
    except (IndexError, struct.error) as error:
        raise TargetFailed(NOT_TDS) from error
    return UNENCRYPTED
