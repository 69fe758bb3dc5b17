"""How one talks to an IMAP server (RFC 3501), without changing a thing in it."""

import re
from typing import Any

from actors.probes.kit.closing import close_gracefully
from actors.probes.kit.result import TargetFailed
from actors.probes.net.line_stream import LineStream
from schema.targets import Mail, MailSecurity

SHOWN_CHARS = 200  # characters of a server's sentence
CAPABILITY, EXISTS = "* CAPABILITY ", re.compile(r"\* ([0-9]{1,10}) EXISTS", re.IGNORECASE)
TAG = "w"


async def run_session(lines: LineStream, target: Mail, facts: dict[str, Any]) -> str | int:
    """Greet, encrypt, log in and count the inbox, as far as the target says so; what is learnt goes to `facts`.

    returns    the greeting; once logged in, how many messages there are
    """
    facts["welcome_message"] = greeting = await _read_greeting(lines)
    if target.security is MailSecurity.STARTTLS:
        if "STARTTLS" not in await _get_capabilities(lines):
            raise TargetFailed("the server does not offer STARTTLS")
        await _command(lines, "STARTTLS", "STARTTLS was refused")
        await lines.start_tls()
    facts["capabilities"] = await _get_capabilities(lines)
    if target.username:
        await _log_in(lines, target)
        facts |= {"authenticated": True, "mailbox_message_count": await _count_messages(lines)}
    await close_gracefully(_command(lines, "LOGOUT", "no goodbye"))
    return int(facts["mailbox_message_count"]) if target.username else greeting


async def _read_greeting(lines: LineStream) -> str:
    line = await lines.read_line()
    kind, words = line[:5].upper(), line[5:].strip()[:SHOWN_CHARS]
    if kind == "* BYE":
        raise TargetFailed(f"the server does not greet: {words}")
    if not kind.startswith("* OK") and not line.upper().startswith("* PREAUTH"):
        raise TargetFailed(f"the answer is not IMAP: {line[:SHOWN_CHARS]!r}")
    return words


async def _get_capabilities(lines: LineStream) -> list[str]:
    said = await _command(lines, "CAPABILITY", "its capabilities can't be asked for")
    told = " ".join(line[len(CAPABILITY) :] for line in said if line.upper().startswith(CAPABILITY))
    return told.upper().split()[:100]


async def _log_in(lines: LineStream, target: Mail) -> None:
    """Each word as a literal, announced by its length: no sign in it has a meaning."""
    refused = "the login was refused"
    words = target.username.encode(), target.password.encode()
    await lines.write_line(f"{TAG} LOGIN {{{len(words[0])}}}")
    await _await_continuation(lines, refused)
    await lines.write(words[0] + b" {%d}\r\n" % len(words[1]))
    await _await_continuation(lines, refused)
    await lines.write(words[1] + b"\r\n")
    await _read_response(lines, refused)


async def _count_messages(lines: LineStream) -> int:
    """Messages in the inbox, opened for reading only."""
    said = await _command(lines, "EXAMINE INBOX", "the inbox can't be opened")
    counts = [int(found[1]) for line in said if (found := EXISTS.fullmatch(line.strip()))]
    if not counts:
        raise TargetFailed("the server does not say how many messages there are")
    return counts[-1]


async def _command(lines: LineStream, command: str, otherwise: str) -> list[str]:
    await lines.write_line(f"{TAG} {command}")
    return await _read_response(lines, otherwise)


async def _read_response(lines: LineStream, otherwise: str) -> list[str]:
    """The lines before the one with our tag. Raises Failed unless that one says OK."""
    said: list[str] = []
    while not (line := await lines.read_line()).startswith(f"{TAG} "):
        said.append(line)
    if not line[len(TAG) + 1 :].upper().startswith("OK"):
        raise TargetFailed(f"{otherwise}: {line[len(TAG) + 1 :][:SHOWN_CHARS]}")
    return said


async def _await_continuation(lines: LineStream, otherwise: str) -> None:
    """Wait until the server wants to hear more."""
    while not (line := await lines.read_line()).startswith("+"):
        if line.startswith(f"{TAG} "):
            raise TargetFailed(f"{otherwise}: {line[len(TAG) + 1 :][:SHOWN_CHARS]}")
