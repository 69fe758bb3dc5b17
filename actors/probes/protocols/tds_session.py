"""A session with a SQL Server: the library encodes and parses, we connect.

On its own the library blocks, connects where a server redirects it, and trusts every length. Here it gets whole,
bounded replies and no connection: nothing waits in it, so a check can be cancelled anywhere.
"""

import logging
import struct
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pytds import tds_base
from pytds.tds_reader import ResponseMetadata, _TdsReader
from pytds.tds_session import _TdsSession
from pytds.tds_socket import _TdsSocket
from pytds.tds_types import SerializerFactory
from pytds.tds_writer import _TdsWriter

from actors.probes.kit.result import TargetFailed
from actors.probes.protocols.tds_wire import NOT_TDS, PACKET_BYTES, REPLY, TdsWire
from app.domain.connections.uris import ConnectionParameters

MAX_PACKET_BYTES = 32_767  # that a server may ask for
ENGLISH_LCID = 1033  # the language of the server's messages
MAX_VALUE_BYTES = 65_536
PRODUCT = struct.Struct(">BBH")  # major, minor, build
ROW_TOKENS = (tds_base.TDS_ROW_TOKEN, tds_base.TDS_NBC_ROW_TOKEN)

Item = TypeVar("Item")
Row = tuple[Sequence[object] | None, list[str]]  # the first row, and the names of its columns

logging.getLogger("pytds").setLevel(logging.CRITICAL)  # it logs queries, and warnings that a server could repeat


class TdsReader(_TdsReader):  # type: ignore[misc]  # the library has no types
    """Reads a whole reply from its front and never beyond."""

    def __init__(self, session: _TdsSession) -> None:
        self._session, self._data, self._offset = session, b"", 0

    def feed(self, data: bytes) -> None:
        """Set the data to read next."""
        self._data, self._offset = data, 0

    def recv(self, size: int) -> bytes:
        """The next bytes; fewer before the end. Raises at the end, so that a false length can't loop the library."""
        if size < 0 or (size and self.stream_finished()):
            raise tds_base.ClosedConnectionError
        chunk = self._data[self._offset : self._offset + size]
        self._offset += len(chunk)
        return chunk

    def read_fast(self, size: int) -> tuple[bytes, int]:
        """The data and the offset of the next bytes in it."""
        if size > len(self._data) - self._offset:
            raise tds_base.ClosedConnectionError
        self._offset += size
        return self._data, self._offset - size

    def stream_finished(self) -> bool:
        """Whether everything has been read."""
        return self._offset >= len(self._data)

    def begin_response(self) -> ResponseMetadata:
        """Begin a response that has been fed."""
        if self.stream_finished():
            raise tds_base.ClosedConnectionError
        return ResponseMetadata()


class BoundedTdsWriter(_TdsWriter):  # type: ignore[misc]  # the library has no types
    """Limits the packet size: the library allocates whatever a server asks for."""

    @property
    def bufsize(self) -> int:
        """The packet size."""
        return len(self._buf)

    @bufsize.setter
    def bufsize(self, size: int) -> None:
        if size > MAX_PACKET_BYTES:
            raise tds_base.InterfaceError("packets larger than there are")
        self._buf = bytearray(size)


class OneRowTdsSession(_TdsSession):  # type: ignore[misc]  # the library has no types
    """Reads at most one row: a reply may have a million rows without columns."""

    rows = 0

    def process_token(self, marker: int) -> Any:
        """As the library, up to one row."""
        self.rows += marker in ROW_TOKENS
        if self.rows > 1:
            raise tds_base.InterfaceError("rows that nobody asked for")
        return super().process_token(marker)


class WireSocket:
    """The socket that the library writes packets to."""

    def __init__(self, wire: TdsWire) -> None:
        self._wire = wire

    def sendall(self, data: bytes) -> None:
        """Send one packet."""
        self._wire.send(bytes(data))

    def close(self) -> None:
        """Does nothing: the probe closes the connection."""


class SqlServerSession:
    """A session from the sign-in on; each request waits for its whole reply."""

    def __init__(self, wire: TdsWire, login: ConnectionParameters) -> None:
        outlet, self._wire = WireSocket(wire), wire
        self._login = _client_login(login)
        self._tds = _TdsSocket(sock=outlet, login=self._login, autocommit=True)
        self._tokens = OneRowTdsSession(self._tds, outlet, None, self._tds.env, PACKET_BYTES)
        self._reply = self._tokens._reader = TdsReader(self._tokens)  # noqa: SLF001  # the library has no other way
        self._tokens._writer = BoundedTdsWriter(outlet, PACKET_BYTES, self._tokens)  # noqa: SLF001  # the library has no other way
        self._tds._main_session = self._tokens  # noqa: SLF001  # the library has no other way

    @property
    def version(self) -> str:
        """The server's product name and version."""
        major, minor, build = PRODUCT.unpack(struct.pack(">I", self._tds.product_version))
        return f"{self._tds.product_name.rstrip(chr(0))} {major}.{minor}.{build}"

    async def sign_in(self) -> tuple[str, int] | None:
        """Raises TargetFailed in the server's words; returns host and port when it redirects us."""
        await self._ask(lambda: self._tokens.tds7_send_login(self._login), self._signed_in)
        route = self._tds.route
        return (route["server"].partition("\\")[0], route["port"]) if route else None

    def _signed_in(self) -> None:
        if not self._tokens.process_login_tokens():
            self._tokens.raise_db_exception()
        self._tds.type_factory = SerializerFactory(self._tds.tds_version)

    async def prepare(self, limit_ms: int) -> None:
        """Limit the session: one row, no long values, a lock timeout, and a transaction that is never committed."""
        statements = (
            f"SET ROWCOUNT 1; SET TEXTSIZE {MAX_VALUE_BYTES}; SET LOCK_TIMEOUT {limit_ms}; SET XACT_ABORT ON; "
            "BEGIN TRANSACTION"
        )
        await self._ask(lambda: self._tokens.submit_plain_query(statements), self._tokens.process_simple_request)

    async def first_row(self, query: str) -> Row:
        """The first row, None without one, and the names of its columns."""
        return await self._ask(lambda: self._tokens.submit_plain_query(query), self._first)

    def _first(self) -> Row:
        self._tokens.begin_response()
        if not self._tokens.find_result_or_done() or self._tokens.res_info is None:
            return None, []
        names = [str(one.column_name) for one in self._tokens.res_info.columns]
        return self._tokens.fetchone(), names

    async def _ask(self, send: Callable[[], None], read: Callable[[], Item]) -> Item:
        """What `read` parses from the reply. Raises TargetFailed for a refusal or an invalid reply."""
        send()
        self._reply.feed(await self._wire.read_message(REPLY))
        try:
            return read()
        except tds_base.DatabaseError as error:
            raise TargetFailed(f"the server answered: {error.args[0]}") from error
        except Exception as error:  # the library raises a bare one too for what it can't parse
            raise TargetFailed(NOT_TDS) from error


def _client_login(login: ConnectionParameters) -> tds_base._TdsLogin:
    """The login data in the library's format."""
    packet = tds_base._TdsLogin()  # noqa: SLF001  # the library's own connect() makes one and connects
    packet.client_host_name = packet.app_name = packet.library = "watchkeeper"
    packet.server_name = login.host[:128]
    packet.user_name, packet.password, packet.database = login.username or "sa", login.password, login.database
    packet.client_lcid = ENGLISH_LCID
    packet.option_flag2 = tds_base.TDS_ODBC_ON
    packet.bytes_to_unicode = True
    return packet
