"""A read-only session with an IMAP server (RFC 3501)."""

import re
from typing import Any

from actors.probes.kit.closing import close_gracefully
from actors.probes.kit.result import TargetFailed
from actors.probes.net.line_stream import LineStream
from schema.targets import Mail, MailSecurity

SHOWN_CHARS = 200  # of a server's reply in a message
CAPABILITY, EXISTS = "* CAPABILITY ", re.compile(r"\* ([0-9]{1,10}) EXISTS", re.IGNORECASE)
TAG = "w"


async def run_session(stream: LineStream, target: Mail, facts: dict[str, Any]) -> tuple[str | int, int | None]:
    """Greet, encrypt, log in and count the inbox, as far as the target asks; findings go to `facts`.

    returns    the greeting, or after a login the number of messages; days until the server's certificate expires
    """
    facts["welcome_message"] = greeting = await _read_greeting(stream)
    if target.security is MailSecurity.STARTTLS:
        if "STARTTLS" not in await _get_capabilities(stream):
            raise TargetFailed("the server does not offer STARTTLS")
        await _command(stream, "STARTTLS", "STARTTLS was refused")
        await stream.start_tls()
    facts["capabilities"] = await _get_capabilities(stream)
    if target.username:
        await _log_in(stream, target)
        facts |= {"authenticated": True, "mailbox_message_count": await _count_messages(stream)}
    await close_gracefully(_command(stream, "LOGOUT", "no goodbye"))
    value = int(facts["mailbox_message_count"]) if target.username else greeting
    return value, stream.certificate_days


async def _read_greeting(stream: LineStream) -> str:
    line = await stream.read_line()
    kind, text = line[:5].upper(), line[5:].strip()[:SHOWN_CHARS]
    if kind == "* BYE":
        raise TargetFailed(f"the server does not greet: {text}")
    if not kind.startswith("* OK") and not line.upper().startswith("* PREAUTH"):
        raise TargetFailed(f"the answer is not IMAP: {line[:SHOWN_CHARS]!r}")
    return text


async def _get_capabilities(stream: LineStream) -> list[str]:
    responses = await _command(stream, "CAPABILITY", "its capabilities can't be asked for")
    capabilities = " ".join(line[len(CAPABILITY) :] for line in responses if line.upper().startswith(CAPABILITY))
    return capabilities.upper().split()[:100]


async def _log_in(stream: LineStream, target: Mail) -> None:
    """Send each word as a literal with its length, so that no character has a meaning."""
    failure = "the login was refused"
    literals = target.username.encode(), target.password.encode()
    await stream.write_line(f"{TAG} LOGIN {{{len(literals[0])}}}")
    await _await_continuation(stream, failure)
    await stream.write(literals[0] + b" {%d}\r\n" % len(literals[1]))
    await _await_continuation(stream, failure)
    await stream.write(literals[1] + b"\r\n")
    await _read_response(stream, failure)


async def _count_messages(stream: LineStream) -> int:
    """Messages in the inbox, which is opened read-only."""
    responses = await _command(stream, "EXAMINE INBOX", "the inbox can't be opened")
    counts = [int(match[1]) for line in responses if (match := EXISTS.fullmatch(line.strip()))]
    if not counts:
        raise TargetFailed("the server does not say how many messages there are")
    return counts[-1]


async def _command(stream: LineStream, command: str, failure: str) -> list[str]:
    await stream.write_line(f"{TAG} {command}")
    return await _read_response(stream, failure)


async def _read_response(stream: LineStream, failure: str) -> list[str]:
    """The lines before the tagged one. Raises TargetFailed unless that one is OK."""
    responses: list[str] = []
    while not (line := await stream.read_line()).startswith(f"{TAG} "):
        responses.append(line)
    if not line[len(TAG) + 1 :].upper().startswith("OK"):
        raise TargetFailed(f"{failure}: {line[len(TAG) + 1 :][:SHOWN_CHARS]}")
    return responses


async def _await_continuation(stream: LineStream, failure: str) -> None:
    """Wait until the server asks for more."""
    while not (line := await stream.read_line()).startswith("+"):
        if line.startswith(f"{TAG} "):
            raise TargetFailed(f"{failure}: {line[len(TAG) + 1 :][:SHOWN_CHARS]}")
