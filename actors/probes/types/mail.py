"""Checks that a mail server greets, encrypts, lets a user in, and accepts a message."""

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
PROTOCOLS: dict[MailProtocol, tuple[RunSession, int, int]] = {  # the session, its port, its port with TLS
    MailProtocol.SMTP: (smtp.run_session, 25, 465),
    MailProtocol.IMAP: (imap.run_session, 143, 993),
    MailProtocol.POP3: (pop3.run_session, 110, 995),
}


async def probe(target: Mail, check: RunningCheck) -> ProbeResult:
    """Run the session, as far as the monitor asks."""
    run_session, plain_port, tls_port = PROTOCOLS[target.protocol]
    port = target.port or (tls_port if target.security is MailSecurity.TLS else plain_port)
    facts: dict[str, Any] = {
        "hostname": target.host,
        "port": port,
        "protocol": target.protocol.value,
        "use_ssl": target.security is MailSecurity.TLS,
        "hostname_used": target.host,
    }
    try:
        stream = await _connect(target, port, check, facts)
        try:
            value = await run_session(stream, target, facts)
            days = stream.certificate_days
        finally:
            stream.abort()
    except TargetFailed as failure:
        failure.detail = facts
        raise
    return ProbeResult(
        code=ANSWERED, detail=facts if check.detailed else None, value=to_untyped(value), certificate_days=days
    )


async def _connect(target: Mail, port: int, check: RunningCheck, facts: dict[str, Any]) -> LineStream:
    if target.resolve_mx:
        facts["mx_records"] = await mail_exchanges(target.host)
        if facts["mx_records"]:
            facts["hostname_used"] = facts["mx_records"][0].partition(" ")[2]
    host = facts["hostname_used"]
    tls = target_tls_context(target, check.context)
    implicit_tls = tls if target.security is MailSecurity.TLS else None
    return LineStream(*await check.context.egress.open_connection(host, port, ssl=implicit_tls), tls, host)
