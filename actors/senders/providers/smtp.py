"""E-mail: plain text and HTML, through an SMTP server."""

import re
import socket
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
from app.domain.parsing.hosts import usable_host
from app.domain.text.message_text import compose_text
from app.security.network.egress import EgressDenied
from app.security.network.tls_client import UNVERIFIED, VERIFYING, client_context
from schema.channels import Smtp
from schema.message import Message

if TYPE_CHECKING:
    import aiosmtplib

log = structlog.get_logger()

PERMANENT_CODE = 500  # SMTP replies from here on say that trying again is of no use (RFC 5321, 4.2.1)


class OutgoingEmail(Struct, frozen=True):
    """A message and its envelope: who is on bcc stands on the envelope only."""

    message: EmailMessage
    sender: str
    recipients: list[str]


async def send(config: Smtp, message: Message, tools: SenderContext) -> None:
    """Hand the letter to the server. Sent once the server has taken it for at least one recipient."""
    import aiosmtplib  # noqa: PLC0415  # only who sends e-mail pays for it

    letter = render(config, message)
    client = aiosmtplib.SMTP(
        hostname=usable_host(config.host),
        sock=await _connect(config, tools),
        use_tls=config.security == "tls",
        start_tls=config.security == "starttls",
        validate_certs=not config.ignore_tls_errors,
        tls_context=client_context(UNVERIFIED if config.ignore_tls_errors else VERIFYING),
        username=config.username or None,
        password=config.password if config.username else None,
        local_hostname=_local_hostname(),
        timeout=None,  # the limit of the whole send is the only one
    )
    try:
        await _submit(client, letter)
    except aiosmtplib.SMTPException as error:
        raise _delivery_error(error) from error
    except OSError as error:  # TLS, mostly
        raise DeliveryError(describe_error(error)) from error
    finally:
        _quit(client)


def render(config: Smtp, message: Message) -> OutgoingEmail:
    """The letter. Its id and date come from the delivery and the event: every attempt sends the same one."""
    words = compose_text(message, with_link=False)
    mail = EmailMessage(policy=RULES)
    mail["Subject"] = words.title
    mail["From"] = _address(config.sender)
    mail["To"] = [_address(one) for one in config.to]
    if config.cc:
        mail["Cc"] = [_address(one) for one in config.cc]
    mail["Date"] = format_datetime(message.at)
    for name, value in email_body.render_headers(message, config.sender).items():
        mail[name] = value
    mail.set_content(email_body.render_text(words, message))
    mail.add_alternative(email_body.render_html(words, message), subtype="html")
    everybody = [one.strip() for one in (*config.to, *config.cc, *config.bcc)]
    return OutgoingEmail(mail, config.sender.strip(), list(dict.fromkeys(everybody)))


async def _connect(config: Smtp, tools: SenderContext) -> socket.socket:
    try:
        return await tools.connect(usable_host(config.host), config.port)
    except EgressDenied as error:
        raise DeliveryError(str(error), permanent=True) from error
    except OSError as error:
        raise DeliveryError(describe_error(error)) from error


async def _submit(client: "aiosmtplib.SMTP", letter: OutgoingEmail) -> None:
    await client.connect()
    refused, _ = await client.send_message(letter.message, sender=letter.sender, recipients=letter.recipients)
    if refused:  # trying again would send it twice to those who have it
        log.warning("sender.recipients_refused", type="smtp", n=len(refused))


def _quit(client: "aiosmtplib.SMTP") -> None:
    """Say goodbye and don't wait for the answer: a slow one must not turn a letter that was taken into a failure."""
    if client.is_connected and client.protocol is not None:
        client.protocol.write(b"QUIT\r\n")
    client.close()


def _delivery_error(error: "aiosmtplib.SMTPException") -> DeliveryError:
    import aiosmtplib  # noqa: PLC0415  # loaded already: this is its error

    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            return _recipients_error(error.recipients)
        case aiosmtplib.SMTPAuthenticationError():  # the server's words may repeat what it was sent
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
            return DeliveryError(_cause(error))
        case aiosmtplib.SMTPNotSupported():
            return DeliveryError(str(error), permanent=True)
        case _:
            return DeliveryError(str(error), permanent="not supported" in str(error))


def _recipients_error(refusals: "list[aiosmtplib.SMTPRecipientRefused]") -> DeliveryError:
    """Nobody may have it; temporary as soon as one of them may get it later."""
    first = refusals[0]
    return DeliveryError(
        f"all {len(refusals)} recipients were refused: {first.code} {first.message}",
        permanent=all(refusal.code >= PERMANENT_CODE for refusal in refusals),
        got_response=True,
    )


def _cause(error: Exception) -> str:
    """What lies below a connection's end."""
    return (
        describe_error(error.__cause__) if isinstance(error.__cause__, OSError) else "the server closed the connection"
    )


def _address(text: str) -> Address:
    """An address for a header; its parts are quoted as needed, and a line break in it is refused."""
    name, _, domain = text.strip().rpartition("@")
    try:
        return Address(username=name, domain=domain)
    except ValueError as error:
        raise DeliveryError("an e-mail address has characters that it can't have", permanent=True) from error


def _local_hostname() -> str:
    """The name we greet with; looking up a full one may take longer than the mail."""
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9.-]+", name) else "localhost"
