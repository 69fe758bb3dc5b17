"""Looks at the certificate of a TLS server: its days, its names, and who stands for it."""

import ssl
from asyncio import StreamWriter
from datetime import UTC, datetime
from typing import Any

from actors.probes.kit import expiring
from actors.probes.kit.context import Asked
from actors.probes.kit.result import Failed, Seen
from actors.probes.net.certificate_details import Leaf, leaf_of
from actors.probes.net.tls import context_of
from schema.heartbeat_texts import ANSWERED
from schema.status import Status
from schema.targets import Ssl


async def probe(target: Ssl, asked: Asked) -> Seen:
    """Shake hands whatever is shown, then judge what was shown; the chain has a handshake of its own."""
    leaf, facts = await _shown(target, asked)
    objection = await _objection_to_chain(target, asked) if target.check_chain else ""
    if target.check_chain:
        facts["chain_valid"] = not objection
    days = expiring.certificate(leaf.short).days_left(datetime.now(UTC))
    facts["days_until_expiration"] = days
    if reason := _fault(leaf, target, days) or objection:
        raise Failed(reason, detail=facts)
    status, message = _standing(leaf, target, days)
    detail = facts if asked.detailed or status is not Status.UP else None
    return Seen(status, ANSWERED, message, detail, days, days)


async def _shown(target: Ssl, asked: Asked) -> tuple[Leaf, dict[str, Any]]:
    writer = await _handshake(target, asked, context_of(target, asked.tools, verify=False))
    try:
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        leaf = leaf_of(tls.getpeercert(binary_form=True) or b"")
        cipher = tls.cipher()
        facts = {
            "hostname": target.host,
            "port": target.port,
            **leaf.facts,
            "cipher": cipher[0] if cipher else None,
            "protocol": tls.version(),
        }
    except ValueError as error:
        raise Failed("the certificate can't be read") from error
    finally:
        writer.transport.abort()
    return leaf, facts


async def _objection_to_chain(target: Ssl, asked: Asked) -> str:
    """Why nobody we trust stands for the certificate; empty when somebody does."""
    try:
        writer = await _handshake(target, asked, context_of(target, asked.tools, check_name=False))
    except ssl.SSLCertVerificationError as error:
        return f"chain not valid: {error.verify_message}"
    writer.transport.abort()
    return ""


async def _handshake(target: Ssl, asked: Asked, context: ssl.SSLContext) -> StreamWriter:
    _, writer = await asked.tools.egress.open_connection(
        target.host, target.port, ssl=context, server_hostname=target.server_name
    )
    return writer


def _fault(leaf: Leaf, target: Ssl, days: int) -> str:
    """What makes a certificate a failure; empty when nothing does."""
    now, name = datetime.now(UTC), target.server_name or target.host
    if now < leaf.not_before:
        return f"the certificate is not valid before {leaf.not_before:%Y-%m-%d %H:%M} UTC"
    if now >= leaf.short.not_after:
        return f"the certificate ended on {leaf.short.not_after:%Y-%m-%d %H:%M} UTC"
    if target.verify_hostname and not leaf.covers(name):
        return f"the certificate is not for {name}"
    if days <= target.critical_days:
        return f"the certificate ends in {days} days"
    return ""


def _standing(leaf: Leaf, target: Ssl, days: int) -> tuple[Status, str]:
    """What a certificate that holds is, and the words where the usual ones don't do."""
    if days <= target.warning_days:
        return Status.DEGRADED, f"the certificate ends in {days} days"
    if leaf.is_unnamed and target.verify_hostname:
        return Status.UP, "the certificate has no alternative names: browsers refuse it"
    return Status.UP, "the certificate is self-signed" if leaf.self_signed else ""
