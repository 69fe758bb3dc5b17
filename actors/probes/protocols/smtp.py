"""How one talks to a server that takes mail (RFC 5321, 3207, 4954)."""

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
AUTH_CONTINUE, START_MAIL = range(334, 335), range(354, 355)  # for more of a login, for the message
UNKNOWN_COMMAND = range(500, 505)
NUL = b"\0"
SHOWN_CHARS = 200  # characters of a server's sentence
ON_THE_WIRE = SMTP.clone(cte_type="7bit")  # 8BITMIME is not everywhere


class SmtpReply(Struct, frozen=True):
    """A code and the lines that came with it."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it in one sentence."""
        return f"{self.code} {' '.join(self.lines)}"[:SHOWN_CHARS]


async def run_session(lines: LineStream, target: Mail, facts: dict[str, Any]) -> str:
    """Greet, encrypt, log in, send, as far as the target says so; what is learnt goes to `facts`.

    returns    the greeting
    """
    greeting = await _expect_reply(lines, SUCCESS, "the server does not greet")
    extensions = await _send_ehlo(lines, facts)
    if target.security is MailSecurity.STARTTLS:
        if "STARTTLS" not in extensions:
            raise TargetFailed("the server does not offer STARTTLS")
        await _command(lines, "STARTTLS", SUCCESS, "STARTTLS was refused")
        await lines.start_tls()
        extensions = await _send_ehlo(lines, facts)
    if target.username:
        await _log_in(lines, target, extensions.get("AUTH", "").upper().split())
        facts["authenticated"] = True
    if target.test_send:
        await _send(lines, target)
        facts["test_send_success"] = True
    await close_gracefully(_command(lines, "QUIT", SUCCESS, "no goodbye"))
    return " ".join(greeting.lines)[:SHOWN_CHARS]


async def _send_ehlo(lines: LineStream, facts: dict[str, Any]) -> dict[str, str]:
    """What the server can do beyond the first SMTP: name → parameters."""
    await lines.write_line(f"EHLO {lines.own_address}")
    reply = await _read_reply(lines)
    if reply.code in UNKNOWN_COMMAND:
        reply = await _command(lines, f"HELO {lines.own_address}", SUCCESS, "HELO was refused")
    if reply.code not in SUCCESS:
        raise TargetFailed(f"EHLO was refused: {reply.text}")
    offered = [line.partition(" ") for line in reply.lines[1:]]
    extensions = {name.upper()[:SHOWN_CHARS]: parameters[:SHOWN_CHARS] for name, _, parameters in offered[:100]}
    facts |= {
        "ehlo_code": reply.code,
        "ehlo_message": reply.lines[0][:SHOWN_CHARS],
        "supports_tls": "STARTTLS" in extensions or lines.certificate_days is not None,
        "extensions": extensions,
    }
    return extensions


async def _log_in(lines: LineStream, target: Mail, offered: list[str]) -> None:
    user, password = target.username.encode(), target.password.encode()
    refused = "the login was refused"
    if "PLAIN" in offered:
        await _command(lines, f"AUTH PLAIN {_base64(NUL.join((b'', user, password)))}", SUCCESS, refused)
    elif "LOGIN" in offered:
        await _command(lines, "AUTH LOGIN", AUTH_CONTINUE, refused)
        await _command(lines, _base64(user), AUTH_CONTINUE, refused)
        await _command(lines, _base64(password), SUCCESS, refused)
    else:
        raise TargetFailed(
            f"the server offers no login that we know: {' '.join(offered)[:SHOWN_CHARS] or 'none at all'}"
        )


def _base64(text: bytes) -> str:
    return b64encode(text).decode("ascii")


async def _send(lines: LineStream, target: Mail) -> None:
    await _command(lines, f"MAIL FROM:<{target.from_email}>", SUCCESS, "the sender was refused")
    await _command(lines, f"RCPT TO:<{target.to_email}>", SUCCESS, "the recipient was refused")
    await _command(lines, "DATA", START_MAIL, "the message was refused")
    await lines.write(stuff_dots(build_message(target)) + b".\r\n")
    await _expect_reply(lines, SUCCESS, "the message was refused")


def build_message(target: Mail) -> bytes:
    """The message as it is sent, but for its dots."""
    message = EmailMessage(policy=ON_THE_WIRE)
    message["From"], message["To"], message["Subject"] = target.from_email, target.to_email, target.subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=target.from_email.partition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(target.message)
    return message.as_bytes()


def stuff_dots(text: bytes) -> bytes:
    """No line of it is the dot that ends a message (RFC 5321, 4.5.2)."""
    return re.sub(rb"(?m)^\.", b"..", text)


async def _command(lines: LineStream, command: str, wanted: range, otherwise: str) -> SmtpReply:
    """Say a command and take the answer that is wanted. Raises Failed for another."""
    await lines.write_line(command)
    return await _expect_reply(lines, wanted, otherwise)


async def _expect_reply(lines: LineStream, wanted: range, otherwise: str) -> SmtpReply:
    reply = await _read_reply(lines)
    if reply.code not in wanted:
        raise TargetFailed(f"{otherwise}: {reply.text}")
    return reply


async def _read_reply(lines: LineStream) -> SmtpReply:
    """One reply, of one line or several. Raises Failed for what is none."""
    said: list[str] = []
    while True:
        line = await lines.read_line()
        parts = REPLY.fullmatch(line)
        if not parts:
            raise TargetFailed(f"the answer is not SMTP: {line[:SHOWN_CHARS]!r}")
        said.append(parts[3])
        if parts[2] != "-":
            return SmtpReply(int(parts[1]), tuple(said))
