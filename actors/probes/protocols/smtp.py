"""A session with a mail server (RFC 5321, 3207, 4954)."""

import re
from base64 import b64encode
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from typing import Any

from msgspec import Struct

from actors.probes.kit.closing import close_gracefully
from actors.probes.kit.result import TargetFailed
from actors.probes.net.line_stream import LineStream
from schema.targets import Mail, MailSecurity

REPLY = re.compile(r"([2-5][0-9]{2})([ -]|$)(.*)")
SUCCESS = range(200, 300)  # RFC 5321, 4.3.2: a client goes by the first digit
AUTH_CONTINUE, START_MAIL = range(334, 335), range(354, 355)  # replies that ask for more of a login, for the message
UNKNOWN_COMMAND = range(500, 505)
NUL = b"\0"
SHOWN_CHARS = 200  # of a server's reply in a message
ON_THE_WIRE = SMTP.clone(cte_type="7bit")  # not every server has 8BITMIME


class SmtpReply(Struct, frozen=True):
    """A code and its lines."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """Code and lines as one sentence."""
        return f"{self.code} {' '.join(self.lines)}"[:SHOWN_CHARS]


async def run_session(stream: LineStream, target: Mail, facts: dict[str, Any]) -> str:
    """Greet, encrypt, log in and send, as far as the target asks; findings go to `facts`.

    returns    the greeting
    """
    greeting = await _expect_reply(stream, SUCCESS, "the server does not greet")
    extensions = await _send_ehlo(stream, facts)
    if target.security is MailSecurity.STARTTLS:
        if "STARTTLS" not in extensions:
            raise TargetFailed("the server does not offer STARTTLS")
        await _command(stream, "STARTTLS", SUCCESS, "STARTTLS was refused")
        await stream.start_tls()
        extensions = await _send_ehlo(stream, facts)
    if target.username:
        await _log_in(stream, target, extensions.get("AUTH", "").upper().split())
        facts["authenticated"] = True
    if target.test_send:
        await _send(stream, target)
        facts["test_send_success"] = True
    await close_gracefully(_command(stream, "QUIT", SUCCESS, "no goodbye"))
    return " ".join(greeting.lines)[:SHOWN_CHARS]


async def _send_ehlo(stream: LineStream, facts: dict[str, Any]) -> dict[str, str]:
    """The server's extensions: name → parameters."""
    await stream.write_line(f"EHLO {stream.own_address}")
    reply = await _read_reply(stream)
    if reply.code in UNKNOWN_COMMAND:
        reply = await _command(stream, f"HELO {stream.own_address}", SUCCESS, "HELO was refused")
    if reply.code not in SUCCESS:
        raise TargetFailed(f"EHLO was refused: {reply.text}")
    offered = [line.partition(" ") for line in reply.lines[1:]]
    extensions = {name.upper()[:SHOWN_CHARS]: parameters[:SHOWN_CHARS] for name, _, parameters in offered[:100]}
    facts |= {
        "ehlo_code": reply.code,
        "ehlo_message": reply.lines[0][:SHOWN_CHARS],
        "supports_tls": "STARTTLS" in extensions or stream.certificate_days is not None,
        "extensions": extensions,
    }
    return extensions


async def _log_in(stream: LineStream, target: Mail, offered: list[str]) -> None:
    user, password = target.username.encode(), target.password.encode()
    failure = "the login was refused"
    if "PLAIN" in offered:
        await _command(stream, f"AUTH PLAIN {_base64(NUL.join((b'', user, password)))}", SUCCESS, failure)
    elif "LOGIN" in offered:
        await _command(stream, "AUTH LOGIN", AUTH_CONTINUE, failure)
        await _command(stream, _base64(user), AUTH_CONTINUE, failure)
        await _command(stream, _base64(password), SUCCESS, failure)
    else:
        raise TargetFailed(
            f"the server offers no login that we know: {' '.join(offered)[:SHOWN_CHARS] or 'none at all'}"
        )


def _base64(text: bytes) -> str:
    return b64encode(text).decode("ascii")


async def _send(stream: LineStream, target: Mail) -> None:
    await _command(stream, f"MAIL FROM:<{target.from_email}>", SUCCESS, "the sender was refused")
    await _command(stream, f"RCPT TO:<{target.to_email}>", SUCCESS, "the recipient was refused")
    await _command(stream, "DATA", START_MAIL, "the message was refused")
    await stream.write(stuff_dots(build_message(target)) + b".\r\n")
    await _expect_reply(stream, SUCCESS, "the message was refused")


def build_message(target: Mail) -> bytes:
    """The test message, before dot-stuffing."""
    message = EmailMessage(policy=ON_THE_WIRE)
    message["From"], message["To"], message["Subject"] = target.from_email, target.to_email, target.subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=target.from_email.partition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(target.message)
    return message.as_bytes()


def stuff_dots(text: bytes) -> bytes:
    """Double leading dots, so that no line ends the message (RFC 5321, 4.5.2)."""
    return re.sub(rb"(?m)^\.", b"..", text)


async def _command(stream: LineStream, command: str, expected: range, failure: str) -> SmtpReply:
    """Send a command and return the expected reply. Raises TargetFailed for another."""
    await stream.write_line(command)
    return await _expect_reply(stream, expected, failure)


async def _expect_reply(stream: LineStream, expected: range, failure: str) -> SmtpReply:
    reply = await _read_reply(stream)
    if reply.code not in expected:
        raise TargetFailed(f"{failure}: {reply.text}")
    return reply


async def _read_reply(stream: LineStream) -> SmtpReply:
    """One reply, of one line or several. Raises TargetFailed for an invalid one."""
    texts: list[str] = []
    while True:
        line = await stream.read_line()
        match = REPLY.fullmatch(line)
        if not match:
            raise TargetFailed(f"the answer is not SMTP: {line[:SHOWN_CHARS]!r}")
        texts.append(match[3])
        if match[2] != "-":
            return SmtpReply(int(match[1]), tuple(texts))
