"""How one talks to a POP3 server (RFC 1939, 2449, 2595), without taking a thing out of it."""

import re
from typing import Any

from actors.probes.kit.closing import say_goodbye
from actors.probes.kit.result import Failed
from actors.probes.net.line_stream import Lines
from schema.targets import Mail, MailSecurity

SHOWN = 200  # characters of a server's sentence
COUNT = re.compile(r"([0-9]{1,10}) [0-9]+.*")


async def converse(lines: Lines, target: Mail, facts: dict[str, Any]) -> str | int:
    """Greet, encrypt, log in and count, as far as the target says so; what is learnt goes to `facts`.

    returns    the greeting; once logged in, how many messages there are
    """
    facts["welcome_message"] = greeting = await _answered(lines, "the server does not greet")
    if target.security is MailSecurity.STARTTLS:
        await _said(lines, "STLS", "STARTTLS was refused")
        await lines.encrypt()
    facts["capabilities"] = await _capabilities(lines)
    if target.username:
        await _said(lines, f"USER {target.username}", "the login was refused")
        await _said(lines, f"PASS {target.password}", "the login was refused")
        facts |= {"authenticated": True, "mailbox_message_count": await _count(lines)}
    await say_goodbye(_said(lines, "QUIT", "no goodbye"))
    return int(facts["mailbox_message_count"]) if target.username else greeting


async def _capabilities(lines: Lines) -> list[str]:
    """What the server says it can; nothing where it does not know the question."""
    await lines.say("CAPA")
    if (await lines.line()).upper().startswith("-ERR"):
        return []
    told: list[str] = []
    while (line := await lines.line()) != ".":
        told.append(line[:SHOWN])
    return told[:100]


async def _count(lines: Lines) -> int:
    found = COUNT.fullmatch(await _said(lines, "STAT", "the messages can't be counted"))
    if not found:
        raise Failed("the server does not say how many messages there are")
    return int(found[1])


async def _said(lines: Lines, command: str, otherwise: str) -> str:
    await lines.say(command)
    return await _answered(lines, otherwise)


async def _answered(lines: Lines, otherwise: str) -> str:
    """The words after +OK. Raises Failed for -ERR, and for what is neither."""
    line = await lines.line()
    kind, _, words = line.partition(" ")
    if kind.upper() == "-ERR":
        raise Failed(f"{otherwise}: {words[:SHOWN]}")
    if kind.upper() != "+OK":
        raise Failed(f"the answer is not POP3: {line[:SHOWN]!r}")
    return words[:SHOWN]
