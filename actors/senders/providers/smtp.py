"""E-mail: plain text and HTML, sent by an SMTP server."""

import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as RULES
from email.utils import format_datetime
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from actors.senders.kit import email_body
from actors.senders.kit.context import SenderContext
from actors.senders.kit.errors import DeliveryError
from actors.senders.kit.network_errors import describe_error
from actors.senders.kit.report import SendReport
from app.domain.parsing.hosts import usable_host, wire_mail_address
from app.domain.text.message_text import compose_text
from app.security.network.egress import EgressDenied
from app.security.network.tls_client import UNVERIFIED, VERIFYING, client_context
from schema.channels import Smtp
from schema.message import Message

if TYPE_CHECKING:
    import aiosmtplib

    from app.security.network.smtp_client import SmtpClient

PERMANENT_CODE = 500  # SMTP codes from here on are permanent (RFC 5321, 4.2.1)
TOO_MANY_RECIPIENTS = 552  # of a RCPT, unless the mailbox is full: to be treated as 452 (RFC 5321, 4.5.3.1.10)
MAILBOX_FULL = "5.2.2"
TOO_BIG = 552  # of a MAIL: the message's size (RFC 1870)
_ENHANCED_CODE = re.compile(r"\b5\.\d{1,3}\.\d{1,3}\b")  # RFC 2034
# Permanent enhanced codes that speak of the message (RFC 3463 and its registry at IANA): too long, too big, its
# content, or a policy on it. All others, such as bad addresses, routing and credentials, speak of the channel.
MESSAGE_CODES = re.compile(r"5\.(2\.3|3\.4|6\.\d+|7\.1|7\.7|7\.17|7\.19)")


class OutgoingEmail(Struct, frozen=True):
    """A message and its envelope; bcc recipients are only on the envelope."""

    message: EmailMessage
    sender: str
    recipients: list[str]


async def send(config: Smtp, message: Message, context: SenderContext) -> None:
    """Send the e-mail to the recipients that do not have it yet, and report how it went for each."""
    email = render(config, message)
    if waiting := context.report.remaining(email.recipients):
        await _deliver(config, structs.replace(email, recipients=waiting), context)
    context.report.conclude(email.recipients)


async def _deliver(config: Smtp, email: OutgoingEmail, context: SenderContext) -> None:
    import aiosmtplib  # noqa: PLC0415  # loaded only when e-mail is sent

    client = await _connect(config, context)
    try:
        await _submit(client, config, email, context.report)
    except aiosmtplib.SMTPRecipientsRefused as error:
        for refused in error.recipients:
            context.report.fail(refused.recipient, recipient_error(refused.code, refused.message))
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
        raise DeliveryError(str(error), permanent=True, channel_level=True) from error
    except OSError as error:
        raise DeliveryError(describe_error(error)) from error


async def _submit(client: "SmtpClient", config: Smtp, email: OutgoingEmail, report: SendReport) -> None:
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
    for recipient in email.recipients:
        if refusal := rejected.get(recipient):
            report.fail(recipient, recipient_error(*refusal))
        else:
            report.accept(recipient)


def _quit(client: "SmtpClient") -> None:
    """Send QUIT without waiting for the reply: a slow one must not fail an e-mail that was accepted."""
    if client.is_connected and client.protocol is not None:
        client.protocol.write(b"QUIT\r\n")
    client.close()


def _delivery_error(error: "aiosmtplib.SMTPException") -> DeliveryError:
    import aiosmtplib  # noqa: PLC0415  # already loaded: this is its error

    match error:
        case aiosmtplib.SMTPAuthenticationError():  # the server's text may repeat the credentials
            return DeliveryError(
                f"the user name or password was refused ({error.code})",
                permanent=error.code >= PERMANENT_CODE,
                channel_level=error.code >= PERMANENT_CODE,
                got_response=True,
            )
        case aiosmtplib.SMTPResponseException():
            return DeliveryError(
                f"answered {error.code} {error.message}",
                permanent=error.code >= PERMANENT_CODE,
                channel_level=is_of_channel(
                    error.code, error.message, of_data=isinstance(error, aiosmtplib.SMTPDataError)
                ),
                got_response=True,
            )
        case aiosmtplib.SMTPConnectError() | aiosmtplib.SMTPServerDisconnected():
            cause = error.__cause__
            return DeliveryError(
                describe_error(cause) if isinstance(cause, OSError) else "the server closed the connection"
            )
        case aiosmtplib.SMTPNotSupported():
            return DeliveryError(str(error), permanent=True, channel_level=True)
        case _:
            return DeliveryError(str(error))


def recipient_error(code: int, text: str) -> DeliveryError:
    """Why the server refused one recipient, for now or for good. It had not seen the message yet."""
    is_temporary = code < PERMANENT_CODE or (code == TOO_MANY_RECIPIENTS and MAILBOX_FULL not in text)
    return DeliveryError(
        f"answered {code} {text}", permanent=not is_temporary, channel_level=not is_temporary, got_response=True
    )


def is_of_channel(code: int, text: str, *, of_data: bool) -> bool:
    """Whether a permanent reply to anything but a recipient concerns the channel.

    of_data    the server had seen the message: without an enhanced code, that is what it refused
    """
    if code < PERMANENT_CODE:
        return False
    enhanced = _ENHANCED_CODE.search(text)
    if enhanced:
        return not MESSAGE_CODES.fullmatch(enhanced.group())
    return not of_data and code != TOO_BIG


def _address(text: str) -> Address:
    """An address for a header, quoted as needed. Raises DeliveryError for a line break."""
    name, _, domain = wire_mail_address(text).rpartition("@")
    try:
        return Address(username=name, domain=domain)
    except ValueError as error:
        reason = "an e-mail address has characters that it can't have"
        raise DeliveryError(reason, permanent=True, channel_level=True) from error
