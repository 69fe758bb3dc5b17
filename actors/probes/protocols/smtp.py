"""A session with a mail server (RFC 5321, 3207, 4954)."""

from collections.abc import Awaitable
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from itertools import islice
from typing import Any, TypeVar

from aiosmtplib import SMTPException, SMTPNotSupported, SMTPResponseException, SMTPServerDisconnected

from actors.probes.kit.closing import close_gracefully
from actors.probes.kit.errors import classify_os_error
from actors.probes.kit.result import CheckInconclusive, TargetFailed
from actors.probes.net.tls import peer_certificate_days
from app.security.network.smtp_client import SmtpClient
from schema.targets import Mail, MailSecurity

Reply = TypeVar("Reply")
INVALID_RESPONSE = -1  # aiosmtplib's code for a reply that is not SMTP
SHOWN_CHARS = 200  # of a server's reply in a message
MAX_EXTENSIONS = 100
ON_THE_WIRE = SMTP.clone(cte_type="7bit")  # not every server has 8BITMIME


async def run_session(client: SmtpClient, target: Mail, facts: dict[str, Any]) -> tuple[str, int | None]:
    """Greet, encrypt, log in and send, as far as the target asks; findings go to `facts`.

    returns    the greeting, and days until the server's certificate expires
    """
    try:
        greeting = await _expect(client.read_greeting(), "the server does not greet")
        await _send_ehlo(client, facts)
        if target.security is MailSecurity.STARTTLS:
            await _expect(client.start_tls(), "STARTTLS was refused")
            await _send_ehlo(client, facts)
        if target.username:
            await _expect(client.log_in(target.username, target.password), "the login was refused")
            facts["authenticated"] = True
        if target.test_send:
            await _send(client, target)
            facts["test_send_success"] = True
    except SMTPNotSupported as error:
        raise TargetFailed(_shown(str(error))) from error
    except SMTPServerDisconnected as error:
        raise _connection_error(error) from error
    assert client.transport  # only a step that fails drops it
    days = peer_certificate_days(client.transport)
    await close_gracefully(client.quit(), SMTPException)
    return _shown(greeting.message), days


async def _send_ehlo(client: SmtpClient, facts: dict[str, Any]) -> None:
    reply = await _expect(client.send_ehlo(), "EHLO was refused")
    offered = islice(client.esmtp_extensions.items(), MAX_EXTENSIONS)
    facts |= {
        "ehlo_code": reply.code,
        "ehlo_message": _shown(reply.message.partition("\n")[0]),
        "supports_tls": client.supports_extension("starttls") or client.encrypted,
        "extensions": {_shown(name.upper()): _shown(parameters) for name, parameters in offered},
    }


async def _send(client: SmtpClient, target: Mail) -> None:
    await _expect(client.mail(target.from_email), "the sender was refused")
    await _expect(client.rcpt(target.to_email), "the recipient was refused")
    await _expect(client.data(build_message(target)), "the message was refused")


def build_message(target: Mail) -> bytes:
    """The test message, before dot-stuffing."""
    message = EmailMessage(policy=ON_THE_WIRE)
    message["From"], message["To"], message["Subject"] = target.from_email, target.to_email, target.subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=target.from_email.partition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(target.message)
    return message.as_bytes()


async def _expect(step: Awaitable[Reply], failure: str) -> Reply:
    """The server's reply. Raises TargetFailed when it refuses, or does not speak SMTP."""
    try:
        return await step
    except SMTPResponseException as error:
        raise _refused(failure, error) from error


def _refused(failure: str, error: SMTPResponseException) -> TargetFailed:
    if error.code != INVALID_RESPONSE:
        return TargetFailed(f"{failure}: {_shown(f'{error.code} {error.message}')}")
    _, _, line = error.message.partition(": ")
    return TargetFailed(
        f"the answer is not SMTP: {_shown(line.strip())!r}" if line else "the server doesn't stop talking"
    )


def _connection_error(error: SMTPServerDisconnected) -> TargetFailed | CheckInconclusive:
    """What broke the connection, if the system knows; else the server closed it."""
    if isinstance(error.__cause__, OSError):
        return classify_os_error(error.__cause__)
    return TargetFailed("the connection was closed in the middle of the conversation")


def _shown(text: str) -> str:
    """A server's text on one line, with the bytes that are not UTF-8 replaced."""
    line = text[:SHOWN_CHARS].replace("\n", " ")
    return line.encode(errors="surrogateescape").decode(errors="replace")
