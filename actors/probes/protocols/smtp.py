"""How one talks to a server that takes mail (RFC 5321, 3207, 4954)."""

import re
from base64 import b64encode
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from typing import Any

from msgspec import Struct

from actors.probes.kit.closing import say_goodbye
from actors.probes.kit.result import Failed
from actors.probes.net.line_stream import Lines
from schema.targets import Mail, MailSecurity

REPLY = re.compile(r"([2-5][0-9]{2})([ -]|$)(.*)")
YES = range(200, 300)  # RFC 5321, 4.3.2: a client goes by the first digit
ASKS, GO_ON = range(334, 335), range(354, 355)  # for more of a login, for the message
UNKNOWN_COMMAND = range(500, 505)
NUL = b"\0"
SHOWN = 200  # characters of a server's sentence
ON_THE_WIRE = SMTP.clone(cte_type="7bit")  # 8BITMIME is not everywhere


class Reply(Struct, frozen=True):
    """A code and the lines that came with it."""

    code: int
    lines: tuple[str, ...]

    @property
    def words(self) -> str:
        """All of it in one sentence."""
        return f"{self.code} {' '.join(self.lines)}"[:SHOWN]


async def converse(lines: Lines, target: Mail, facts: dict[str, Any]) -> str:
    """Greet, encrypt, log in, send, as far as the target says so; what is learnt goes to `facts`.

    returns    the greeting
    """
    greeting = await _reply_in(lines, YES, "the server does not greet")
    extensions = await _introduced(lines, facts)
    if target.security is MailSecurity.STARTTLS:
        if "STARTTLS" not in extensions:
            raise Failed("the server does not offer STARTTLS")
        await _request(lines, "STARTTLS", YES, "STARTTLS was refused")
        await lines.encrypt()
        extensions = await _introduced(lines, facts)
    if target.username:
        await _log_in(lines, target, extensions.get("AUTH", "").upper().split())
        facts["authenticated"] = True
    if target.test_send:
        await _send(lines, target)
        facts["test_send_success"] = True
    await say_goodbye(_request(lines, "QUIT", YES, "no goodbye"))
    return " ".join(greeting.lines)[:SHOWN]


async def _introduced(lines: Lines, facts: dict[str, Any]) -> dict[str, str]:
    """What the server can do beyond the first SMTP: name → parameters."""
    await lines.say(f"EHLO {lines.own_address}")
    reply = await _reply(lines)
    if reply.code in UNKNOWN_COMMAND:
        reply = await _request(lines, f"HELO {lines.own_address}", YES, "HELO was refused")
    if reply.code not in YES:
        raise Failed(f"EHLO was refused: {reply.words}")
    offered = [line.partition(" ") for line in reply.lines[1:]]
    extensions = {name.upper()[:SHOWN]: parameters[:SHOWN] for name, _, parameters in offered[:100]}
    facts |= {
        "ehlo_code": reply.code,
        "ehlo_message": reply.lines[0][:SHOWN],
        "supports_tls": "STARTTLS" in extensions or lines.certificate_days is not None,
        "extensions": extensions,
    }
    return extensions


async def _log_in(lines: Lines, target: Mail, offered: list[str]) -> None:
    user, password = target.username.encode(), target.password.encode()
    refused = "the login was refused"
    if "PLAIN" in offered:
        await _request(lines, f"AUTH PLAIN {_packed(NUL.join((b'', user, password)))}", YES, refused)
    elif "LOGIN" in offered:
        await _request(lines, "AUTH LOGIN", ASKS, refused)
        await _request(lines, _packed(user), ASKS, refused)
        await _request(lines, _packed(password), YES, refused)
    else:
        raise Failed(f"the server offers no login that we know: {' '.join(offered)[:SHOWN] or 'none at all'}")


def _packed(text: bytes) -> str:
    return b64encode(text).decode("ascii")


async def _send(lines: Lines, target: Mail) -> None:
    await _request(lines, f"MAIL FROM:<{target.from_email}>", YES, "the sender was refused")
    await _request(lines, f"RCPT TO:<{target.to_email}>", YES, "the recipient was refused")
    await _request(lines, "DATA", GO_ON, "the message was refused")
    await lines.say_all(stuffed(written(target)) + b".\r\n")
    await _reply_in(lines, YES, "the message was refused")


def written(target: Mail) -> bytes:
    """The message as it is sent, but for its dots."""
    message = EmailMessage(policy=ON_THE_WIRE)
    message["From"], message["To"], message["Subject"] = target.from_email, target.to_email, target.subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=target.from_email.partition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(target.message)
    return message.as_bytes()


def stuffed(text: bytes) -> bytes:
    """No line of it is the dot that ends a message (RFC 5321, 4.5.2)."""
    return re.sub(rb"(?m)^\.", b"..", text)


async def _request(lines: Lines, command: str, wanted: range, otherwise: str) -> Reply:
    """Say a command and take the answer that is wanted. Raises Failed for another."""
    await lines.say(command)
    return await _reply_in(lines, wanted, otherwise)


async def _reply_in(lines: Lines, wanted: range, otherwise: str) -> Reply:
    reply = await _reply(lines)
    if reply.code not in wanted:
        raise Failed(f"{otherwise}: {reply.words}")
    return reply


async def _reply(lines: Lines) -> Reply:
    """One reply, of one line or several. Raises Failed for what is none."""
    said: list[str] = []
    while True:
        line = await lines.line()
        parts = REPLY.fullmatch(line)
        if not parts:
            raise Failed(f"the answer is not SMTP: {line[:SHOWN]!r}")
        said.append(parts[3])
        if parts[2] != "-":
            return Reply(int(parts[1]), tuple(said))
