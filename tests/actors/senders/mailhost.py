"""A real SMTP server on loopback with configurable STARTTLS, TLS and AUTH; records the messages."""

import asyncio
import datetime as dt
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as RULES
from pathlib import Path
from typing import Any

from aiosmtpd import smtp
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench.ports import unused_port

USER, PASSWORD = "watch", "s3cr3t-mail-password"


class Mailhost:
    """Accepts messages, or sends the reply in `replies` for a verb: {"RCPT": "550 no such user"}."""

    def __init__(self) -> None:
        self.letters: list[Envelope] = []
        self.replies: dict[str, str] = {}
        self.signed_in: list[str] = []
        self.refused: list[str] = []
        self.port = 0

    def mail(self) -> EmailMessage:
        """The newest letter, parsed."""
        content = self.letters[-1].content
        assert isinstance(content, bytes)
        return message_from_bytes(content, policy=RULES)

    async def handle_RCPT(self, *args: Any) -> str:  # noqa: N802  # aiosmtpd's: server, session, envelope, address, options
        """Accept a recipient, or refuse it with a reply."""
        _, _, envelope, address, _ = args
        reply = self.replies.get(address, self.replies.get("RCPT", "250 OK"))
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, *args: Any) -> str:  # noqa: N802  # aiosmtpd's: server, session, envelope
        """Accept a message, or refuse it with a reply."""
        reply = self.replies.get("DATA", "250 taken")
        if reply.startswith("250"):
            self.letters.append(args[2])
        return reply

    def sign_in(self, *args: Any) -> AuthResult:
        """Know one user."""
        *_, mechanism, data = args
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        (self.signed_in if good else self.refused).append(mechanism)
        return AuthResult(success=good, handled=False)


class _Controller(Controller):
    """aiosmtpd's, with the arguments that its server takes and it does not hand on."""

    def __init__(self, handler: Mailhost, server: dict[str, Any], tls: ssl.SSLContext | None) -> None:
        self._server = server
        super().__init__(handler, hostname="127.0.0.1", port=unused_port(), ssl_context=tls)

        self._made: list[smtp.SMTP] = []

    def factory(self) -> smtp.SMTP:
        self._made.append(smtp.SMTP(self.handler, **self._server))
        return self._made[-1]

    def stop(self, no_assert: bool = False) -> None:  # noqa: FBT001, FBT002  # the library's signature
        """Stop, and end the connections that a proxy still holds."""
        asyncio.run_coroutine_threadsafe(self._close_connections(), self.loop).result()
        super().stop(no_assert)

    async def _close_connections(self) -> None:
        for one in self._made:
            if isinstance(one.transport, asyncio.WriteTransport):
                one.transport.abort()
        await asyncio.sleep(0)


@contextmanager
def mailhost(
    *, tls: ssl.SSLContext | None = None, starttls: bool = False, auth: bool = False, utf8: bool = True
) -> Iterator[Mailhost]:
    """A server on a free port: implicit TLS with `tls` alone, STARTTLS with both; `utf8`: with SMTPUTF8."""
    host = Mailhost()
    server: dict[str, Any] = {"authenticator": host.sign_in, "auth_require_tls": False} if auth else {}
    server["enable_SMTPUTF8"] = utf8
    server |= {"tls_context": tls, "require_starttls": True} if starttls else {}
    controller = _Controller(host, server, None if starttls else tls)
    controller.start()
    host.port = controller.port
    try:
        yield host
    finally:
        controller.stop()


def server_tls(folder: Path) -> ssl.SSLContext:
    """TLS with an untrusted certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "server.pem"
    file.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
