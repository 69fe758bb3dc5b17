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
from actors.senders.kit.context import Tools
from actors.senders.kit.errors import Undelivered
from actors.senders.kit.network_errors import trouble
from app.domain.parsing.hosts import usable_host
from app.domain.text.message_text import words_of
from app.security.network.egress import Refused
from app.security.network.tls_client import CAREFUL, IGNORING, context
from schema.channels import Smtp
from schema.message import Message

if TYPE_CHECKING:
    import aiosmtplib

log = structlog.get_logger()

PERMANENT = 500  # SMTP replies from here on say that trying again is of no use (RFC 5321, 4.2.1)


class Letter(Struct, frozen=True):
    """A message and its envelope: who is on bcc stands on the envelope only."""

    message: EmailMessage
    sender: str
    recipients: list[str]


async def send(config: Smtp, message: Message, tools: Tools) -> None:
    """Hand the letter to the server. Sent once the server has taken it for at least one recipient."""
    import aiosmtplib  # noqa: PLC0415  # only who sends e-mail pays for it

    letter = render(config, message)
    client = aiosmtplib.SMTP(
        hostname=usable_host(config.host),
        sock=await _connected(config, tools),
        use_tls=config.security == "tls",
        start_tls=config.security == "starttls",
        validate_certs=not config.ignore_tls_errors,
        tls_context=context(IGNORING if config.ignore_tls_errors else CAREFUL),
        username=config.username or None,
        password=config.password if config.username else None,
        local_hostname=_own_name(),
        timeout=None,  # the limit of the whole send is the only one
    )
    try:
        await _hand_over(client, letter)
    except aiosmtplib.SMTPException as error:
        raise _undelivered(error) from error
    except OSError as error:  # TLS, mostly
        raise Undelivered(trouble(error)) from error
    finally:
        _leave(client)


def render(config: Smtp, message: Message) -> Letter:
    """The letter. Its id and date come from the delivery and the event: every attempt sends the same one."""
    words = words_of(message, with_link=False)
    mail = EmailMessage(policy=RULES)
    mail["Subject"] = words.title
    mail["From"] = _address(config.sender)
    mail["To"] = [_address(one) for one in config.to]
    if config.cc:
        mail["Cc"] = [_address(one) for one in config.cc]
    mail["Date"] = format_datetime(message.at)
    for name, value in email_body.headers_of(message, config.sender).items():
        mail[name] = value
    mail.set_content(email_body.text_of(words, message))
    mail.add_alternative(email_body.html_of(words, message), subtype="html")
    everybody = [one.strip() for one in (*config.to, *config.cc, *config.bcc)]
    return Letter(mail, config.sender.strip(), list(dict.fromkeys(everybody)))


async def _connected(config: Smtp, tools: Tools) -> socket.socket:
    try:
        return await tools.connect(usable_host(config.host), config.port)
    except Refused as error:
        raise Undelivered(str(error), permanent=True) from error
    except OSError as error:
        raise Undelivered(trouble(error)) from error


async def _hand_over(client: "aiosmtplib.SMTP", letter: Letter) -> None:
    await client.connect()
    refused, _ = await client.send_message(letter.message, sender=letter.sender, recipients=letter.recipients)
    if refused:  # trying again would send it twice to those who have it
        log.warning("sender.recipients_refused", type="smtp", n=len(refused))


def _leave(client: "aiosmtplib.SMTP") -> None:
    """Say goodbye and don't wait for the answer: a slow one must not turn a letter that was taken into a failure."""
    if client.is_connected and client.protocol is not None:
        client.protocol.write(b"QUIT\r\n")
    client.close()


def _undelivered(error: "aiosmtplib.SMTPException") -> Undelivered:
    import aiosmtplib  # noqa: PLC0415  # loaded already: this is its error

    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            return _undelivered_to(error.recipients)
        case aiosmtplib.SMTPAuthenticationError():  # the server's words may repeat what it was sent
            return Undelivered(
                f"the user name or password was refused ({error.code})",
                permanent=error.code >= PERMANENT,
                channel=error.code >= PERMANENT,
                answered=True,
            )
        case aiosmtplib.SMTPResponseException():
            return Undelivered(
                f"answered {error.code} {error.message}", permanent=error.code >= PERMANENT, answered=True
            )
        case aiosmtplib.SMTPConnectError() | aiosmtplib.SMTPServerDisconnected():
            return Undelivered(_cause(error))
        case aiosmtplib.SMTPNotSupported():
            return Undelivered(str(error), permanent=True)
        case _:
            return Undelivered(str(error), permanent="not supported" in str(error))


def _undelivered_to(refusals: "list[aiosmtplib.SMTPRecipientRefused]") -> Undelivered:
    """Nobody may have it; temporary as soon as one of them may get it later."""
    first = refusals[0]
    return Undelivered(
        f"all {len(refusals)} recipients were refused: {first.code} {first.message}",
        permanent=all(refusal.code >= PERMANENT for refusal in refusals),
        answered=True,
    )


def _cause(error: Exception) -> str:
    """What lies below a connection's end."""
    return trouble(error.__cause__) if isinstance(error.__cause__, OSError) else "the server closed the connection"


def _address(text: str) -> Address:
    """An address for a header; its parts are quoted as needed, and a line break in it is refused."""
    name, _, domain = text.strip().rpartition("@")
    try:
        return Address(username=name, domain=domain)
    except ValueError as error:
        raise Undelivered("an e-mail address has characters that it can't have", permanent=True) from error


def _own_name() -> str:
    """The name we greet with; looking up a full one may take longer than the mail."""
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9.-]+", name) else "localhost"
