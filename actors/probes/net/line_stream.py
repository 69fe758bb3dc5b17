"""A line protocol as mail servers speak it: bounded, and encrypted from the start, after STARTTLS or never."""

import ssl
from asyncio import IncompleteReadError, LimitOverrunError, StreamReader, StreamWriter

from actors.probes.kit.result import TargetFailed
from actors.probes.net.tls import peer_certificate_days, start_tls
from app.security.network.egress import Egress

MAX_RECEIVED_BYTES = 1_000_000  # of one session; a greeting and its capabilities take some hundred
MAX_RECEIVED_LINES = 10_000


class LineStream:
    """Lines sent and received on one connection.

    tls, name    the context of the handshake, and what the certificate must be valid for
    """

    def __init__(self, reader: StreamReader, writer: StreamWriter, tls: ssl.SSLContext, name: str) -> None:
        self._reader, self._writer = reader, writer
        self._tls, self._name = tls, name
        self._plain_writer: StreamWriter | None = None
        self._received_bytes, self._received_lines = 0, 0

    async def read_line(self) -> str:
        """The next line, without its end. Raises TargetFailed when there is none, or it does not end."""
        try:
            raw = await self._reader.readuntil(b"\n")
        except LimitOverrunError as error:
            raise TargetFailed("the server sent a line without end") from error
        except IncompleteReadError as error:
            raise TargetFailed("the connection was closed in the middle of the conversation") from error
        self._received_bytes += len(raw)
        self._received_lines += 1
        if self._received_bytes > MAX_RECEIVED_BYTES or self._received_lines > MAX_RECEIVED_LINES:
            raise TargetFailed("the server doesn't stop talking")
        return raw.rstrip(b"\r\n").decode("utf-8", errors="replace")

    async def write_line(self, line: str) -> None:
        """Send one line."""
        await self.write(line.encode() + b"\r\n")

    async def write(self, text: bytes) -> None:
        """Send these bytes."""
        self._writer.write(text)
        await self._writer.drain()

    async def start_tls(self) -> None:
        """Do the TLS handshake. Unread data from before is discarded: anybody could have injected it."""
        self._plain_writer = self._writer  # a writer without references closes its connection
        self._reader, self._writer = await start_tls(self._writer, self._tls, self._name)

    @property
    def certificate_days(self) -> int | None:
        """Days until the server's certificate expires; None without TLS."""
        return peer_certificate_days(self._writer)

    def abort(self) -> None:
        """Close the connection at once."""
        self._writer.transport.abort()


async def open_line_stream(
    egress: Egress, host: str, port: int, tls: ssl.SSLContext, *, implicit_tls: bool
) -> LineStream:
    """A new connection. Raises as `Egress.connect`."""
    return LineStream(*await egress.open_connection(host, port, ssl=tls if implicit_tls else None), tls, host)
