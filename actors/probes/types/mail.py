"""Looks whether a mail server greets, encrypts, lets a user in, and takes a message."""

from collections.abc import Awaitable, Callable
from typing import Any

from actors.probes.kit.context import Asked
from actors.probes.kit.result import Failed, Seen
from actors.probes.kit.values import untyped
from actors.probes.net.line_stream import Lines
from actors.probes.net.mx import exchanges_of
from actors.probes.net.tls import context_of
from actors.probes.protocols import imap, pop3, smtp
from schema.heartbeat_texts import ANSWERED
from schema.targets import Mail, MailProtocol, MailSecurity

Converse = Callable[[Lines, Mail, dict[str, Any]], Awaitable[str | int]]
PROTOCOLS: dict[MailProtocol, tuple[Converse, int, int]] = {  # the conversation, its port, its port with TLS
    MailProtocol.SMTP: (smtp.converse, 25, 465),
    MailProtocol.IMAP: (imap.converse, 143, 993),
    MailProtocol.POP3: (pop3.converse, 110, 995),
}


async def probe(target: Mail, asked: Asked) -> Seen:
    """Have the conversation, as far as the monitor says."""
    converse, plain, encrypted = PROTOCOLS[target.protocol]
    port = target.port or (encrypted if target.security is MailSecurity.TLS else plain)
    facts: dict[str, Any] = {
        "hostname": target.host,
        "port": port,
        "protocol": target.protocol.value,
        "use_ssl": target.security is MailSecurity.TLS,
        "hostname_used": target.host,
    }
    try:
        lines = await _connected(target, port, asked, facts)
        try:
            value = await converse(lines, target, facts)
            days = lines.certificate_days
        finally:
            lines.leave()
    except Failed as failed:
        failed.detail = facts
        raise
    return Seen(code=ANSWERED, detail=facts if asked.detailed else None, value=untyped(value), certificate_days=days)


async def _connected(target: Mail, port: int, asked: Asked, facts: dict[str, Any]) -> Lines:
    if target.resolve_mx:
        facts["mx_records"] = await exchanges_of(target.host)
        if facts["mx_records"]:
            facts["hostname_used"] = facts["mx_records"][0].partition(" ")[2]
    host = facts["hostname_used"]
    context = context_of(target, asked.tools)
    at_once = context if target.security is MailSecurity.TLS else None
    return Lines(*await asked.tools.egress.open_connection(host, port, ssl=at_once), context, host)
