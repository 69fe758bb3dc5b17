"""Targets that are mail servers."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from schema.assertions import Assertions
from schema.field_types import Host, Port, Secret
from schema.targets.encryption import IgnoreTlsErrors, TlsCa, TlsCert, TlsKey


class MailProtocol(StrEnum):
    """Mail protocols."""

    SMTP = "smtp"
    IMAP = "imap"
    POP3 = "pop3"


class MailSecurity(StrEnum):
    """When TLS begins."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


EmailAddress = Annotated[
    str,
    Meta(
        max_length=254,
        pattern=r"^([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)?$",
        description="E-mail address.",
    ),
]


class Mail(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="mail"):
    """A mail server: checks the greeting, TLS, a login and a test message.

    Document 002 calls `host` `hostname`; its `use_ssl` is `security: tls`, its `use_tls` `security: starttls`. The
    other names (`protocol port username password test_send from_email to_email subject message resolve_mx`) are its
    own, and its `timeout` is the monitor's.
    """

    host: Host
    protocol: Annotated[MailProtocol, Meta(description="Protocol: smtp, imap or pop3.")]
    port: Annotated[Port | None, Meta(description="Port. Default: the usual port for the protocol and `security`.")] = (
        None
    )
    security: Annotated[MailSecurity, Meta(description="Encryption: none, starttls, or tls from the start.")] = (
        MailSecurity.NONE
    )
    ignore_tls_errors: IgnoreTlsErrors = False
    tls_cert: TlsCert = ""
    tls_key: TlsKey = ""
    tls_ca: TlsCa = ""
    username: Annotated[str, Meta(max_length=255, description="User to log in as. Empty: no login.")] = ""
    password: Secret = ""
    test_send: Annotated[bool, Meta(description="Send a message with every check; smtp only.")] = False
    from_email: Annotated[EmailAddress, Meta(description="Sender of the test message.")] = ""
    to_email: Annotated[EmailAddress, Meta(description="Recipient of the test message.")] = ""
    subject: Annotated[
        str, Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", description="Subject of the test message.")
    ] = "Watchkeeper test"
    message: Annotated[str, Meta(max_length=10_000, description="Text of the test message.")] = (
        "A check of this mail server."
    )
    resolve_mx: Annotated[
        bool, Meta(description="Treat `host` as a domain, and check its mail server (MX); smtp only.")
    ] = False
    assertions: Assertions = []

    def __post_init__(self) -> None:
        """Raises ValueError for fields that contradict each other, or that would end a line of the protocol."""
        if bool(self.username) != bool(self.password):
            raise ValueError("a login takes a `username` and a `password`")
        if any(ord(sign) < ord(" ") for sign in self.username + self.password):
            raise ValueError("`username` and `password` can't have control characters in them")
        if self.test_send and not (self.from_email and self.to_email):
            raise ValueError("`test_send` needs `from_email` and `to_email`")
        if self.protocol is not MailProtocol.SMTP and (self.test_send or self.resolve_mx):
            raise ValueError("`test_send` and `resolve_mx` are for smtp")
