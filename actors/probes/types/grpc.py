"""Checks that a gRPC server is serving, or what one of its methods replies."""

import logging
import os
from typing import Any

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # read by the next line: it logs every failed connection

import grpc

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import ProbeResult, TargetFailed
from actors.probes.net.relay import Connect, Streams, open_relay
from actors.probes.net.tls import peer_certificate_days, target_tls_context
from actors.probes.protocols.grpc_calls import call_method, check_health
from schema.heartbeat_texts import ANSWERED
from schema.targets import Grpc

# The library logs a traceback for each text of a target that is not UTF-8.
logging.getLogger("grpc._cython.cygrpc").setLevel(logging.CRITICAL)

READ_LIMIT_BYTES = 1_000_000
SHOWN_CHARS = 300  # of a reply, in a detail
SERVING = "SERVING"
STATUS_TEXTS = {
    grpc.StatusCode.UNIMPLEMENTED: "the server has no such service or method",
    grpc.StatusCode.NOT_FOUND: "the server knows no service of that name",
    grpc.StatusCode.UNAVAILABLE: "the server is there, and can't be spoken to",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "more than the limit, ours or the server's",
}


async def probe(target: Grpc, check: RunningCheck) -> ProbeResult:
    """Connect, over TLS where configured, and let the library speak over this connection."""
    streams = await _connect(target, check)
    try:
        days = peer_certificate_days(streams[1])
        async with open_relay(_single_use(streams)) as address, _channel(target, address) as channel:
            return await _check(target, channel, days, detailed=check.detailed)
    except grpc.aio.AioRpcError as error:
        raise TargetFailed(_error_text(error)) from error
    finally:
        streams[1].transport.abort()


async def _connect(target: Grpc, check: RunningCheck) -> Streams:
    """We do the TLS, as for all types: the library has its own ciphers and authorities, and can't ignore errors."""
    tls = target_tls_context(target, check.context, alpn_protocols=("h2",)) if target.tls else None
    return await check.context.egress.open_connection(target.host, target.port, ssl=tls)


def _single_use(streams: Streams) -> Connect:
    """Returns the connection once; there is no second one."""
    remaining = [streams]

    async def connect() -> Streams:
        if not remaining:
            raise ConnectionResetError
        return remaining.pop()

    return connect


def _channel(target: Grpc, address: str) -> grpc.aio.Channel:
    options: list[tuple[str, Any]] = [
        ("grpc.default_authority", f"{target.host}:{target.port}"),
        ("grpc.enable_http_proxy", 0),  # the worker's environment must not affect a check
        ("grpc.enable_retries", 0),
        ("grpc.http2_scheme", "https" if target.tls else "http"),  # some servers compare it with their own
        ("grpc.max_receive_message_length", READ_LIMIT_BYTES),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.use_local_subchannel_pool", 1),  # a connection of its own
    ]
    return grpc.aio.insecure_channel(address, options)


async def _check(target: Grpc, channel: grpc.aio.Channel, days: int | None, *, detailed: bool) -> ProbeResult:
    if not target.method:
        status = await check_health(channel, target.service)
        if status != SERVING:
            raise TargetFailed(f"the server says {status}")
        return ProbeResult(
            code=ANSWERED, value=status, certificate_days=days, detail={"status": status} if detailed else None
        )
    reply = await call_method(channel, target.method, target.body)
    detail = {"reply": reply[:SHOWN_CHARS]}
    if target.keyword and (target.keyword in reply) is target.invert_keyword:
        negation = "" if target.invert_keyword else "not "
        raise TargetFailed(f"the keyword {target.keyword[:80]!r} is {negation}in the reply", detail=detail)
    return ProbeResult(code=ANSWERED, value=reply, certificate_days=days, detail=detail if detailed else None)


def _error_text(error: grpc.aio.AioRpcError) -> str:
    code, details = error.code(), " ".join((error.details() or "").split())[:200]
    return f"{STATUS_TEXTS.get(code, code.name)} ({details})" if details else STATUS_TEXTS.get(code, code.name)
