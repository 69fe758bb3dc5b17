"""E-mail: plain text and HTML, sent by an SMTP server."""

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as RULES
from email.utils import format_datetime
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct

from actors.senders.kit import email_body
from actors.senders.kit.context import SenderContext
from actors.senders.kit.errors import DeliveryError
from actors.senders.kit.network_errors import describe_error
from app.domain.parsing.hosts import usable_host, wire_mail_address
from app.domain.text.message_text import compose_text
from app.security.network.egress import EgressDenied
from app.security.network.tls_client import UNVERIFIED, VERIFYING, client_context
from schema.channels import Smtp
from schema.message import Message

if TYPE_CHECKING:
    import aiosmtplib

    from app.security.network.smtp_client import SmtpClient

log = structlog.get_logger()

PERMANENT_CODE = 500  # SMTP codes from here on are permanent (RFC 5321, 4.2.1)


class OutgoingEmail(Struct, frozen=True):
    """A message and its envelope; bcc recipients are only on the envelope."""

    message: EmailMessage
    sender: str
    recipients: list[str]


async def send(config: Smtp, message: Message, context: SenderContext) -> None:
    """Send the e-mail. It counts as sent once the server accepted it for at least one recipient."""
    import aiosmtplib  # noqa: PLC0415  # loaded only when e-mail is sent

    email = render(config, message)
    client = await _connect(config, context)
    try:
        await _submit(client, config, email)
    except aiosmtplib.SMTPException as error:
        raise _delivery_error(error) from error
    except OSError as error:  # TLS, mostly
        raise DeliveryError(describe_error(error)) from error
    finally:
        _quit(client)


def render(config: Smtp, message: Message) -> OutgoingEmail:
    """Render the e-mail. Its id and date come from the delivery and the event, the same on every attempt."""
    content = compose_text(message, with_link=False)
    mail = EmailMessage(policy=RULES)
    mail["Subject"] = content.title
    mail["From"] = _address(config.sender)
    mail["To"] = [_address(one) for one in config.to]
    if config.cc:
        mail["Cc"] = [_address(one) for one in config.cc]
    mail["Date"] = format_datetime(message.at)
    for name, value in email_body.render_headers(message, config.sender).items():
        mail[name] = value
    mail.set_content(email_body.render_text(content, message))
    mail.add_alternative(email_body.render_html(content, message), subtype="html")
    recipients = [wire_mail_address(one) for one in (*config.to, *config.cc, *config.bcc)]
    return OutgoingEmail(mail, wire_mail_address(config.sender), list(dict.fromkeys(recipients)))


async def _connect(config: Smtp, context: SenderContext) -> "SmtpClient":
    from app.security.network.smtp_client import connect_smtp  # noqa: PLC0415  # it loads aiosmtplib

    tls = client_context(UNVERIFIED if config.ignore_tls_errors else VERIFYING)
    implicit_tls = config.security == "tls"
    try:
        return await connect_smtp(context.egress, usable_host(config.host), config.port, tls, implicit_tls=implicit_tls)
    except EgressDenied as error:
        raise DeliveryError(str(error), permanent=True) from error
    except OSError as error:
        raise DeliveryError(describe_error(error)) from error


async def _submit(client: "SmtpClient", config: Smtp, email: OutgoingEmail) -> None:
    from app.security.network.smtp_client import DIGEST_FIRST  # noqa: PLC0415  # already loaded

    await client.read_greeting()
    await client.send_ehlo()
    if config.security == "starttls":
        await client.start_tls()
        await client.send_ehlo()
    if config.username:
        if not client.encrypted:
            client.AUTH_METHODS = DIGEST_FIRST
        await client.log_in(config.username, config.password)
    rejected, _ = await client.send_message(email.message, sender=email.sender, recipients=email.recipients)
    if rejected:  # a retry would send it again to those who have it
        log.warning("sender.recipients_rejected", type="smtp", n=len(rejected))


def _quit(client: "SmtpClient") -> None:
    """Send QUIT without waiting for the reply: a slow one must not fail an e-mail that was accepted."""
    if client.is_connected and client.protocol is not None:
        client.protocol.write(b"QUIT\r\n")
    client.close()


def _delivery_error(error: "aiosmtplib.SMTPException") -> DeliveryError:
    import aiosmtplib  # noqa: PLC0415  # already loaded: this is its error

    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            return _recipients_error(error.recipients)
        case aiosmtplib.SMTPAuthenticationError():  # the server's text may repeat the credentials
            return DeliveryError(
                f"the user name or password was refused ({error.code})",
                permanent=error.code >= PERMANENT_CODE,
                channel_level=error.code >= PERMANENT_CODE,
                got_response=True,
            )
        case aiosmtplib.SMTPResponseException():
            return DeliveryError(
                f"answered {error.code} {error.message}", permanent=error.code >= PERMANENT_CODE, got_response=True
            )
        case aiosmtplib.SMTPConnectError() | aiosmtplib.SMTPServerDisconnected():
            cause = error.__cause__
            return DeliveryError(
                describe_error(cause) if isinstance(cause, OSError) else "the server closed the connection"
            )
        case aiosmtplib.SMTPNotSupported():
            return DeliveryError(str(error), permanent=True)
        case _:
            return DeliveryError(str(error))


def _recipients_error(refusals: "list[aiosmtplib.SMTPRecipientRefused]") -> DeliveryError:
    """All recipients were rejected; temporary when at least one of them may succeed later."""
    first = refusals[0]
    return DeliveryError(
        f"all {len(refusals)} recipients were refused: {first.code} {first.message}",
        permanent=all(refusal.code >= PERMANENT_CODE for refusal in refusals),
        got_response=True,
    )


def _address(text: str) -> Address:
    """An address for a header, quoted as needed. Raises DeliveryError for a line break."""
    name, _, domain = wire_mail_address(text).rpartition("@")
    try:
        return Address(username=name, domain=domain)
    except ValueError as error:
        raise DeliveryError("an e-mail address has characters that it can't have", permanent=True) from error
