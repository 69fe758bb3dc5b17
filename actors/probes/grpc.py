"""Looks whether a gRPC server says that it serves, or what a method of it replies."""

import logging
import os
import ssl
from functools import lru_cache, partial
from typing import Any

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # read by the next line: it writes of each handshake that fails

import grpc

from actors.probes.grpc_calls import called, health_of
from actors.probes.relay import relay
from actors.probes.seen import Failed, Seen
from actors.probes.tls import context_for, days_left, own_context
from actors.probes.tools import Asked
from schema.messages import ANSWERED
from schema.targets import Grpc

# It logs a traceback for each word of a target that is not UTF-8.
logging.getLogger("grpc._cython.cygrpc").setLevel(logging.CRITICAL)

READ_LIMIT_BYTES = 1_000_000
SHOWN = 300  # characters of a reply, in a detail
SERVING = "SERVING"
WORDS = {
    grpc.StatusCode.UNIMPLEMENTED: "the server has no such service or method",
    grpc.StatusCode.NOT_FOUND: "the server knows no service of that name",
    grpc.StatusCode.UNAVAILABLE: "the server is there, and can't be spoken to",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "more than the limit, ours or the server's",
}


async def probe(target: Grpc, asked: Asked) -> Seen:
    """Connect once to see who is there, then have the library ask over a connection of ours to the same address."""
    address = (await asked.tools.egress.addresses(target.host))[0]
    trust = _trust(target, asked) if target.tls else None
    days = await _certificate_days(target, address, asked, trust)
    connect = partial(asked.tools.egress.open_connection, address, target.port)
    async with relay(connect) as place, _channel(target, place, trust) as channel:
        try:
            return await _look(target, channel, days, detailed=asked.detailed)
        except grpc.aio.AioRpcError as error:
            raise Failed(_meaning(error)) from error


def _trust(target: Grpc, asked: Asked) -> ssl.SSLContext:
    return own_context(target.host, ca=target.ca_cert) if target.ca_cert else context_for(asked.tools)


async def _certificate_days(target: Grpc, address: str, asked: Asked, trust: ssl.SSLContext | None) -> int | None:
    """A refused connection and a bad certificate have their own words here; the library has one for all."""
    _, writer = await asked.tools.egress.open_connection(
        address, target.port, ssl=trust, server_hostname=target.host if trust else ""
    )
    days = days_left(writer)
    writer.transport.abort()
    return days


def _channel(target: Grpc, place: str, trust: ssl.SSLContext | None) -> grpc.aio.Channel:
    options: list[tuple[str, Any]] = [
        ("grpc.default_authority", f"{target.host}:{target.port}"),
        ("grpc.enable_http_proxy", 0),  # the worker's environment is no part of a check
        ("grpc.enable_retries", 0),
        ("grpc.max_receive_message_length", READ_LIMIT_BYTES),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.use_local_subchannel_pool", 1),  # a connection of its own
    ]
    if trust is None:
        return grpc.aio.insecure_channel(place, options)
    options.append(("grpc.ssl_target_name_override", target.host))
    return grpc.aio.secure_channel(place, grpc.ssl_channel_credentials(_roots(trust)), options)


@lru_cache(maxsize=256)
def _roots(trust: ssl.SSLContext) -> bytes:
    """The authorities that a context trusts, in PEM: the library brings its own otherwise."""
    return "".join(map(ssl.DER_cert_to_PEM_cert, trust.get_ca_certs(binary_form=True))).encode()


async def _look(target: Grpc, channel: grpc.aio.Channel, days: int | None, *, detailed: bool) -> Seen:
    if not target.method:
        status = await health_of(channel, target.service)
        if status != SERVING:
            raise Failed(f"the server says {status}")
        return Seen(code=ANSWERED, value=status, certificate_days=days, detail={"status": status} if detailed else None)
    reply = await called(channel, target.method, target.body)
    detail = {"reply": reply[:SHOWN]}
    if target.keyword and (target.keyword in reply) is target.invert_keyword:
        there = "" if target.invert_keyword else "not "
        raise Failed(f"the keyword {target.keyword[:80]!r} is {there}in the reply", detail=detail)
    return Seen(code=ANSWERED, value=reply, certificate_days=days, detail=detail if detailed else None)


def _meaning(error: grpc.aio.AioRpcError) -> str:
    code, details = error.code(), " ".join((error.details() or "").split())[:200]
    return f"{WORDS.get(code, code.name)} ({details})" if details else WORDS.get(code, code.name)
