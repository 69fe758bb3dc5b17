"""Checks the certificate of a TLS server: its days, its names, and its chain."""

import ssl
from asyncio import StreamWriter
from datetime import UTC, datetime
from typing import Any

from actors.probes.kit import expiring
from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import ProbeResult, TargetFailed
from actors.probes.net.certificate_details import LeafCertificate, parse_leaf
from actors.probes.net.tls import target_tls_context
from schema.heartbeat_texts import ANSWERED
from schema.status import Status
from schema.targets import Ssl


async def probe(target: Ssl, check: RunningCheck) -> ProbeResult:
    """Do a handshake that accepts anything, evaluate the certificate, and verify the chain with a second handshake."""
    leaf, facts = await _fetch_leaf(target, check)
    chain_error = await _chain_error(target, check) if target.check_chain else ""
    if target.check_chain:
        facts["chain_valid"] = not chain_error
    days = expiring.record_certificate(leaf.certificate).days_left(datetime.now(UTC))
    facts["days_until_expiration"] = days
    if reason := _certificate_error(leaf, target, days) or chain_error:
        raise TargetFailed(reason, detail=facts)
    status, message = _passing_status(leaf, target, days)
    detail = facts if check.detailed or status is not Status.UP else None
    return ProbeResult(status, ANSWERED, message, detail, days, days)


async def _fetch_leaf(target: Ssl, check: RunningCheck) -> tuple[LeafCertificate, dict[str, Any]]:
    writer = await _handshake(target, check, target_tls_context(target, check.context, verify=False))
    try:
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        leaf = parse_leaf(tls.getpeercert(binary_form=True) or b"")
        cipher = tls.cipher()
        facts = {
            "hostname": target.host,
            "port": target.port,
            **leaf.facts,
            "cipher": cipher[0] if cipher else None,
            "protocol": tls.version(),
        }
    except ValueError as error:
        raise TargetFailed("the certificate can't be read") from error
    finally:
        writer.transport.abort()
    return leaf, facts


async def _chain_error(target: Ssl, check: RunningCheck) -> str:
    """Why the chain is not trusted; empty when it is."""
    try:
        writer = await _handshake(target, check, target_tls_context(target, check.context, check_hostname=False))
    except ssl.SSLCertVerificationError as error:
        return f"chain not valid: {error.verify_message}"
    writer.transport.abort()
    return ""


async def _handshake(target: Ssl, check: RunningCheck, tls: ssl.SSLContext) -> StreamWriter:
    _, writer = await check.context.egress.open_connection(
        target.host, target.port, ssl=tls, server_hostname=target.server_name
    )
    return writer


def _certificate_error(leaf: LeafCertificate, target: Ssl, days: int) -> str:
    """Why the certificate fails the check; empty when it passes."""
    now, name = datetime.now(UTC), target.server_name or target.host
    if now < leaf.not_before:
        return f"the certificate is not valid before {leaf.not_before:%Y-%m-%d %H:%M} UTC"
    if now >= leaf.certificate.not_after:
        return f"the certificate ended on {leaf.certificate.not_after:%Y-%m-%d %H:%M} UTC"
    if target.verify_hostname and not leaf.covers(name):
        return f"the certificate is not for {name}"
    if days <= target.critical_days:
        return f"the certificate ends in {days} days"
    return ""


def _passing_status(leaf: LeafCertificate, target: Ssl, days: int) -> tuple[Status, str]:
    """The status of a valid certificate, and a message where the default does not fit."""
    if days <= target.warning_days:
        return Status.DEGRADED, f"the certificate ends in {days} days"
    if leaf.is_unnamed and target.verify_hostname:
        return Status.UP, "the certificate has no alternative names: browsers refuse it"
    return Status.UP, "the certificate is self-signed" if leaf.self_signed else ""
