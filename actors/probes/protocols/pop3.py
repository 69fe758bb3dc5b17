"""A read-only session with a POP3 server (RFC 1939, 2449, 2595)."""

import re
from typing import Any

from actors.probes.kit.closing import close_gracefully
from actors.probes.kit.result import TargetFailed
from actors.probes.net.line_stream import LineStream
from schema.targets import Mail, MailSecurity

SHOWN_CHARS = 200  # of a server's reply in a message
COUNT = re.compile(r"([0-9]{1,10}) [0-9]+.*")


async def run_session(stream: LineStream, target: Mail, facts: dict[str, Any]) -> tuple[str | int, int | None]:
    """Greet, encrypt, log in and count messages, as far as the target asks; findings go to `facts`.

    returns    the greeting, or after a login the number of messages; days until the server's certificate expires
    """
    facts["welcome_message"] = greeting = await _read_response(stream, "the server does not greet")
    if target.security is MailSecurity.STARTTLS:
        await _command(stream, "STLS", "STARTTLS was refused")
        await stream.start_tls()
    facts["capabilities"] = await _get_capabilities(stream)
    if target.username:
        await _command(stream, f"USER {target.username}", "the login was refused")
        await _command(stream, f"PASS {target.password}", "the login was refused")
        facts |= {"authenticated": True, "mailbox_message_count": await _count_messages(stream)}
    await close_gracefully(_command(stream, "QUIT", "no goodbye"))
    value = int(facts["mailbox_message_count"]) if target.username else greeting
    return value, stream.certificate_days


async def _get_capabilities(stream: LineStream) -> list[str]:
    """The server's capabilities; none when it does not know the command."""
    await stream.write_line("CAPA")
    if (await stream.read_line()).upper().startswith("-ERR"):
        return []
    capabilities: list[str] = []
    while (line := await stream.read_line()) != ".":
        capabilities.append(line[:SHOWN_CHARS])
    return capabilities[:100]


async def _count_messages(stream: LineStream) -> int:
    match = COUNT.fullmatch(await _command(stream, "STAT", "the messages can't be counted"))
    if not match:
        raise TargetFailed("the server does not say how many messages there are")
    return int(match[1])


async def _command(stream: LineStream, command: str, failure: str) -> str:
    await stream.write_line(command)
    return await _read_response(stream, failure)


async def _read_response(stream: LineStream, failure: str) -> str:
    """The text after +OK. Raises TargetFailed for -ERR, and for anything else."""
    line = await stream.read_line()
    kind, _, text = line.partition(" ")
    if kind.upper() == "-ERR":
        raise TargetFailed(f"{failure}: {text[:SHOWN_CHARS]}")
    if kind.upper() != "+OK":
        raise TargetFailed(f"the answer is not POP3: {line[:SHOWN_CHARS]!r}")
    return text[:SHOWN_CHARS]
