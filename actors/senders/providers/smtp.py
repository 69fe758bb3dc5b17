"""E-mail: plain text and HTML, sent by an SMTP server."""

import re
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from actors.senders.kit import email_body
from actors.senders.kit.context import SenderContext
from actors.senders.kit.errors import DeliveryError
from actors.senders.kit.mail_headers import header_address, mail_policy
from actors.senders.kit.network_errors import describe_error
from actors.senders.kit.proxies import open_tunnel
from actors.senders.kit.report import SendReport
from app.domain.parsing.hosts import usable_host
from app.domain.parsing.mailboxes import parse_mailbox
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
    sender = parse_mailbox(config.sender).wire_address
    mail = EmailMessage(policy=mail_policy())
    mail["Subject"] = content.title
    mail["From"] = header_address(config.sender)
    for name, mailboxes in (("To", config.to), ("Cc", config.cc), ("Reply-To", [config.reply_to])):
        if any(mailboxes):
            mail[name] = [header_address(one) for one in mailboxes]
    mail["Date"] = format_datetime(message.at)
    for name, value in (email_body.render_headers(message, sender) | config.headers).items():
        mail[name] = value
    mail.set_content(email_body.render_text(content, message))
    mail.add_alternative(email_body.render_html(content, message), subtype="html")
    recipients = [parse_mailbox(one).wire_address for one in (*config.to, *config.cc, *config.bcc)]
    return OutgoingEmail(mail, sender, list(dict.fromkeys(recipients)))


async def _connect(config: Smtp, context: SenderContext) -> "SmtpClient":
    from app.security.network import smtp_client  # noqa: PLC0415  # it loads aiosmtplib

    host, tls = usable_host(config.host), client_context(UNVERIFIED if config.ignore_tls_errors else VERIFYING)
    implicit_tls = config.security == "tls"
    try:
        if context.proxy:
            opened = await open_tunnel(context.proxy, context.egress, host, config.port)
            return await smtp_client.adopt_smtp(opened, host, tls, implicit_tls=implicit_tls)
        return await smtp_client.connect_smtp(context.egress, host, config.port, tls, implicit_tls=implicit_tls)
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
