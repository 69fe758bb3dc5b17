"""Checks that a mail server greets, encrypts, lets a user in, and accepts a message."""

from collections.abc import Awaitable, Callable
from typing import Any

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import ProbeResult, TargetFailed
from actors.probes.kit.values import to_untyped
from actors.probes.net.line_stream import open_line_stream
from actors.probes.net.mx import mail_exchanges
from actors.probes.net.tls import target_tls_context
from actors.probes.protocols import imap, pop3, smtp
from app.security.network.smtp_client import connect_smtp
from schema.heartbeat_texts import ANSWERED
from schema.targets import Mail, MailProtocol, MailSecurity

Connect = Callable[..., Awaitable[Any]]
RunSession = Callable[[Any, Mail, dict[str, Any]], Awaitable[tuple[str | int, int | None]]]
PROTOCOLS: dict[MailProtocol, tuple[Connect, RunSession, int, int]] = {  # and the port, the port with TLS
    MailProtocol.SMTP: (connect_smtp, smtp.run_session, 25, 465),
    MailProtocol.IMAP: (open_line_stream, imap.run_session, 143, 993),
    MailProtocol.POP3: (open_line_stream, pop3.run_session, 110, 995),
}


async def probe(target: Mail, check: RunningCheck) -> ProbeResult:
    """Run the session, as far as the monitor asks."""
    connect, run_session, plain_port, tls_port = PROTOCOLS[target.protocol]
    implicit_tls = target.security is MailSecurity.TLS
    facts: dict[str, Any] = {
        "hostname": target.host,
        "port": target.port or (tls_port if implicit_tls else plain_port),
        "protocol": target.protocol.value,
        "use_ssl": implicit_tls,
        "hostname_used": target.host,
    }
    try:
        if target.resolve_mx:
            await _resolve_mx(target, facts)
        tls, host = target_tls_context(target, check.context), facts["hostname_used"]
        connection = await connect(check.context.egress, host, facts["port"], tls, implicit_tls=implicit_tls)
        try:
            value, days = await run_session(connection, target, facts)
        finally:
            connection.abort()
    except TargetFailed as failure:
        failure.detail = facts
        raise
    return ProbeResult(
        code=ANSWERED, detail=facts if check.detailed else None, value=to_untyped(value), certificate_days=days
    )


async def _resolve_mx(target: Mail, facts: dict[str, Any]) -> None:
    facts["mx_records"] = await mail_exchanges(target.host)
    if facts["mx_records"]:
        facts["hostname_used"] = facts["mx_records"][0].partition(" ")[2]
