"""SMTP clients for checks and senders: aiosmtplib on a connection that the egress policy allowed."""

import asyncio
import re
import socket
import ssl
from typing import cast

from aiosmtplib import SMTP, SMTPConnectResponseError, SMTPHeloError, SMTPNotSupported, SMTPResponse
from aiosmtplib.protocol import MAX_RESPONSE_LENGTH, SMTPProtocol
from aiosmtplib.typing import SMTPStatus

from app.security.network.egress import Egress
from app.security.network.tls_limits import apply_limits

MAX_LINES = 256  # of one connection; a long banner and the extensions together take 50
TOO_LONG = bytes(MAX_RESPONSE_LENGTH + 1)  # the library refuses a response of this length
PASSWORD_FIRST = ("plain", "login", "cram-md5")  # some servers offer CRAM-MD5 and can't verify it
DIGEST_FIRST = ("cram-md5", "plain", "login")  # without TLS
UNKNOWN_COMMAND = range(500, 505)
SHOWN_CHARS = 200  # of what a server offers in a message


class SmtpClient(SMTP):
    """aiosmtplib's client on an open connection.

    transport, protocol    the connection, with TLS or without
    host                   the name that the certificate must be for
    tls                    the context for STARTTLS
    """

    AUTH_METHODS = PASSWORD_FIRST

    def __init__(
        self, transport: asyncio.Transport, protocol: "_BoundedProtocol", host: str, tls: ssl.SSLContext
    ) -> None:
        super().__init__(hostname=host.rstrip("."), local_hostname=_own_name(transport), tls_context=tls, timeout=None)
        self.transport, self.protocol, self._connection = transport, protocol, protocol

    async def read_greeting(self) -> SMTPResponse:
        """The server's greeting. Raises SMTPConnectResponseError when it refuses us."""
        greeting = await self._connection.read_response()
        if greeting.code != SMTPStatus.ready:
            raise SMTPConnectResponseError(greeting.code, greeting.message)
        return greeting

    async def send_ehlo(self) -> SMTPResponse:
        """The reply to EHLO, or to HELO from a server that does not know EHLO. Raises SMTPHeloError."""
        try:
            return await self.ehlo()
        except SMTPHeloError as error:
            if error.code not in UNKNOWN_COMMAND:
                raise
        return await self.helo()

    async def start_tls(self) -> None:
        """Begin TLS after EHLO, and forget the extensions. Raises SMTPNotSupported, SMTPResponseException, OSError."""
        if not self.supports_extension("starttls"):
            raise SMTPNotSupported("the server does not offer STARTTLS")
        await self.starttls()

    @property
    def encrypted(self) -> bool:
        """Whether TLS has begun."""
        return self.transport is not None and self.transport.get_extra_info("sslcontext") is not None

    @property
    def supported_auth_methods(self) -> list[str]:
        """The first method that both know, if any. By others `login` would send a refused password again and again."""
        return super().supported_auth_methods[:1]

    async def log_in(self, username: str, password: str) -> None:
        """Log in after EHLO. Raises SMTPAuthenticationError; SMTPNotSupported without a method that both know."""
        if not self.supported_auth_methods:
            offered = " ".join(self.server_auth_methods).upper()[:SHOWN_CHARS]
            raise SMTPNotSupported(f"the server offers no login that we know: {offered or 'none at all'}")
        await self.login(username, password)

    def abort(self) -> None:
        """Close the connection at once."""
        if self._connection.transport is not None:
            cast("asyncio.Transport", self._connection.transport).abort()


async def connect_smtp(egress: Egress, host: str, port: int, tls: ssl.SSLContext, *, implicit_tls: bool) -> SmtpClient:
    """A client on a new connection, whose greeting is not read yet. Raises as `Egress.connect`."""
    transport, protocol = await egress.connect(_BoundedProtocol, host, port, ssl=tls if implicit_tls else None)
    return SmtpClient(transport, protocol, host, tls)


async def adopt_smtp(opened: socket.socket, host: str, tls: ssl.SSLContext, *, implicit_tls: bool) -> SmtpClient:
    """As `connect_smtp`, on a connection that is open already: through a proxy. Closes it when TLS fails."""
    try:
        transport, protocol = await asyncio.get_running_loop().create_connection(
            _BoundedProtocol,
            sock=opened,
            ssl=apply_limits(tls) if implicit_tls else None,
            server_hostname=host.rstrip(".") if implicit_tls else None,
        )
    except BaseException:
        opened.close()
        raise
    return SmtpClient(transport, protocol, host, tls)


class _BoundedProtocol(SMTPProtocol):
    """Refuses lines without end. The library bounds their bytes, but reads all lines again whenever one arrives."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop())
        self._lines = 0

    def data_received(self, data: bytes) -> None:
        self._lines += data.count(b"\n")
        super().data_received(data if self._lines <= MAX_LINES else TOO_LONG)


def _own_name(transport: asyncio.Transport) -> str:
    """The name for EHLO: this machine's if it has a domain, else its address (RFC 5321, 4.1.3), as smtplib chooses."""
    name = socket.gethostname()
    if "." in name and re.fullmatch(r"[A-Za-z0-9.-]+", name):
        return name
    address = str(transport.get_extra_info("sockname")[0]).partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
