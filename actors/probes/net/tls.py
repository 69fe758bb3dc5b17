"""TLS of checks: contexts from a monitor's fields, and what a handshake showed."""

import asyncio
import ssl
from asyncio import BaseTransport, StreamReader, StreamReaderProtocol, StreamWriter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from aiohttp import ClientWebSocketResponse
from msgspec import Struct

from actors.probes.kit import expiring
from actors.probes.kit.context import ProbeContext
from actors.probes.kit.result import CheckInconclusive, TargetFailed
from app.domain.connections.uris import Encryption
from app.security.network import tls_client
from app.security.network.tls_client import UNVERIFIED, VERIFYING, HostContext, TlsOptions

Connection = BaseTransport | StreamWriter | ClientWebSocketResponse
Context = TypeVar("Context", bound=ssl.SSLContext)


def default_tls_context(context: ProbeContext, *, ignore_errors: bool = False) -> ssl.SSLContext:
    """The default context; the caller names the host.

    ignore_errors    accept any certificate, and legacy TLS
    """
    return tls_client.client_context(
        UNVERIFIED if ignore_errors else VERIFYING, None if ignore_errors else context.trust
    )


def target_tls_context(target: Struct, context: ProbeContext, **changes: Any) -> ssl.SSLContext:
    """The context of a monitor, for callers that name the host. Raises CheckInconclusive for unreadable PEM texts.

    changes    overrides of its fields, as in `TlsOptions`
    """
    options = tls_options(target, **changes)
    return _build(lambda: tls_client.client_context(options, context.trust))


def named_tls_context(target: Struct, host: str, **changes: Any) -> HostContext:
    """The context of a monitor for one host, whatever address a library connects to. Raises as `target_tls_context`."""
    options = tls_options(target, **changes)
    return _build(lambda: tls_client.context_for_host(host, options))


def database_tls_context(target: Struct, host: str, encryption: Encryption) -> HostContext | None:
    """The context that a connection string and the fields define together; None without encryption."""
    if not encryption.tls:
        return None
    return named_tls_context(
        target, host, verify=encryption.verify_certificate, check_hostname=encryption.verify_hostname
    )


def tls_options(target: Struct, **changes: Any) -> TlsOptions:
    """The options in a monitor's fields; types use one of two names for each, or lack them.

    changes    overrides, as in `TlsOptions`
    """
    ignore_errors = getattr(target, "ignore_tls_errors", False) or not getattr(target, "verify_ssl", True)
    fields: dict[str, Any] = {
        "verify": not ignore_errors,
        "allow_legacy": ignore_errors,
        "ca": _first_field(target, "tls_ca", "ca_cert"),
        "certificate": _first_field(target, "tls_cert", "client_cert"),
        "key": _first_field(target, "tls_key", "client_key"),
    }
    return TlsOptions(**(fields | changes))


def _first_field(target: Struct, *names: str) -> str:
    return next((str(getattr(target, name)) for name in names if hasattr(target, name)), "")


def _build(make: Callable[[], Context]) -> Context:
    try:
        return make()
    except (ssl.SSLError, ValueError) as error:
        raise CheckInconclusive("the monitor's certificate, key or authorities can't be read") from error


async def start_tls(plain_writer: StreamWriter, tls: ssl.SSLContext, name: str) -> tuple[StreamReader, StreamWriter]:
    """Start TLS on a connection. Unread data from before the handshake is discarded: anybody could have injected it.

    Not asyncio's `StreamWriter.start_tls`, which breaks when the connection ends with the handshake.

    plain_writer  to be kept as long as the result: a writer without references closes its connection
    raises        TargetFailed, and what the handshake raises
    """
    loop = asyncio.get_running_loop()
    reader = StreamReader(loop=loop)
    protocol = StreamReaderProtocol(reader, loop=loop)
    transport = await loop.start_tls(plain_writer.transport, protocol, tls, server_hostname=name.rstrip("."))
    if transport is None:
        raise TargetFailed("the connection was closed during the handshake")
    protocol.connection_made(transport)
    return reader, StreamWriter(transport, protocol, reader, loop)


def peer_certificate_days(connection: Connection) -> int | None:
    """Days until the peer's certificate expires; None without TLS, or when it can't be read."""
    tls = connection.get_extra_info("ssl_object")
    leaf = tls.getpeercert(binary_form=True) if tls else None
    return certificate_days_left(leaf) if leaf else None


def certificate_days_left(leaf: bytes) -> int | None:
    """Days until a certificate (DER) expires; None when it can't be read."""
    from actors.probes.kit.certificate import parse_certificate  # noqa: PLC0415  # most checks never need it

    try:
        return expiring.record_certificate(parse_certificate(leaf)).days_left(datetime.now(UTC))
    except ValueError:
        return None
