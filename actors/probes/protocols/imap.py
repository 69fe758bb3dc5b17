"""How one talks to an IMAP server (RFC 3501), without changing a thing in it."""

import re
from typing import Any

from actors.probes.kit.closing import say_goodbye
from actors.probes.kit.result import Failed
from actors.probes.net.line_stream import Lines
from schema.targets import Mail, MailSecurity

SHOWN = 200  # characters of a server's sentence
CAPABILITY, EXISTS = "* CAPABILITY ", re.compile(r"\* ([0-9]{1,10}) EXISTS", re.IGNORECASE)
TAG = "w"


async def converse(lines: Lines, target: Mail, facts: dict[str, Any]) -> str | int:
    """Greet, encrypt, log in and count the inbox, as far as the target says so; what is learnt goes to `facts`.

    returns    the greeting; once logged in, how many messages there are
    """
    facts["welcome_message"] = greeting = await _greeting(lines)
    if target.security is MailSecurity.STARTTLS:
        if "STARTTLS" not in await _capabilities(lines):
            raise Failed("the server does not offer STARTTLS")
        await _said(lines, "STARTTLS", "STARTTLS was refused")
        await lines.encrypt()
    facts["capabilities"] = await _capabilities(lines)
    if target.username:
        await _log_in(lines, target)
        facts |= {"authenticated": True, "mailbox_message_count": await _count(lines)}
    await say_goodbye(_said(lines, "LOGOUT", "no goodbye"))
    return int(facts["mailbox_message_count"]) if target.username else greeting


async def _greeting(lines: Lines) -> str:
    line = await lines.line()
    kind, words = line[:5].upper(), line[5:].strip()[:SHOWN]
    if kind == "* BYE":
        raise Failed(f"the server does not greet: {words}")
    if not kind.startswith("* OK") and not line.upper().startswith("* PREAUTH"):
        raise Failed(f"the answer is not IMAP: {line[:SHOWN]!r}")
    return words


async def _capabilities(lines: Lines) -> list[str]:
    said = await _said(lines, "CAPABILITY", "its capabilities can't be asked for")
    told = " ".join(line[len(CAPABILITY) :] for line in said if line.upper().startswith(CAPABILITY))
    return told.upper().split()[:100]


async def _log_in(lines: Lines, target: Mail) -> None:
    """Each word as a literal, announced by its length: no sign in it has a meaning."""
    refused = "the login was refused"
    words = target.username.encode(), target.password.encode()
    await lines.say(f"{TAG} LOGIN {{{len(words[0])}}}")
    await _asked_for(lines, refused)
    await lines.say_all(words[0] + b" {%d}\r\n" % len(words[1]))
    await _asked_for(lines, refused)
    await lines.say_all(words[1] + b"\r\n")
    await _answered(lines, refused)


async def _count(lines: Lines) -> int:
    """Messages in the inbox, opened for reading only."""
    said = await _said(lines, "EXAMINE INBOX", "the inbox can't be opened")
    counts = [int(found[1]) for line in said if (found := EXISTS.fullmatch(line.strip()))]
    if not counts:
        raise Failed("the server does not say how many messages there are")
    return counts[-1]


async def _said(lines: Lines, command: str, otherwise: str) -> list[str]:
    await lines.say(f"{TAG} {command}")
    return await _answered(lines, otherwise)


async def _answered(lines: Lines, otherwise: str) -> list[str]:
    """The lines before the one with our tag. Raises Failed unless that one says OK."""
    said: list[str] = []
    while not (line := await lines.line()).startswith(f"{TAG} "):
        said.append(line)
    if not line[len(TAG) + 1 :].upper().startswith("OK"):
        raise Failed(f"{otherwise}: {line[len(TAG) + 1 :][:SHOWN]}")
    return said


async def _asked_for(lines: Lines, otherwise: str) -> None:
    """Wait until the server wants to hear more."""
    while not (line := await lines.line()).startswith("+"):
        if line.startswith(f"{TAG} "):
            raise Failed(f"{otherwise}: {line[len(TAG) + 1 :][:SHOWN]}")
