"""Looks whether a mail server greets, encrypts, lets a user in, and takes a message."""

from collections.abc import Awaitable, Callable
from typing import Any

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import ProbeResult, TargetFailed
from actors.probes.kit.values import to_untyped
from actors.probes.net.line_stream import LineStream
from actors.probes.net.mx import mail_exchanges
from actors.probes.net.tls import target_tls_context
from actors.probes.protocols import imap, pop3, smtp
from schema.heartbeat_texts import ANSWERED
from schema.targets import Mail, MailProtocol, MailSecurity

RunSession = Callable[[LineStream, Mail, dict[str, Any]], Awaitable[str | int]]
PROTOCOLS: dict[MailProtocol, tuple[RunSession, int, int]] = {  # the conversation, its port, its port with TLS
    MailProtocol.SMTP: (smtp.run_session, 25, 465),
    MailProtocol.IMAP: (imap.run_session, 143, 993),
    MailProtocol.POP3: (pop3.run_session, 110, 995),
}


async def probe(target: Mail, asked: RunningCheck) -> ProbeResult:
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
        lines = await _connect(target, port, asked, facts)
        try:
            value = await converse(lines, target, facts)
            days = lines.certificate_days
        finally:
            lines.abort()
    except TargetFailed as failed:
        failed.detail = facts
        raise
    return ProbeResult(
        code=ANSWERED, detail=facts if asked.detailed else None, value=to_untyped(value), certificate_days=days
    )


async def _connect(target: Mail, port: int, asked: RunningCheck, facts: dict[str, Any]) -> LineStream:
    if target.resolve_mx:
        facts["mx_records"] = await mail_exchanges(target.host)
        if facts["mx_records"]:
            facts["hostname_used"] = facts["mx_records"][0].partition(" ")[2]
    host = facts["hostname_used"]
    context = target_tls_context(target, asked.context)
    at_once = context if target.security is MailSecurity.TLS else None
    return LineStream(*await asked.context.egress.open_connection(host, port, ssl=at_once), context, host)
