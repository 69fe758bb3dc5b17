"""TLS of checks: what a monitor's own fields say of it, and what a handshake showed."""

import asyncio
import ssl
from asyncio import BaseTransport, StreamReader, StreamReaderProtocol, StreamWriter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from aiohttp import ClientWebSocketResponse
from msgspec import Struct

from actors.probes.kit import expiring
from actors.probes.kit.context import Tools
from actors.probes.kit.result import Failed, Unsure
from app.domain.connections.uris import Encryption
from app.security.network import tls_client
from app.security.network.tls_client import CAREFUL, IGNORING, Named, Terms

Connection = BaseTransport | StreamWriter | ClientWebSocketResponse
Made = TypeVar("Made", bound=ssl.SSLContext)


def context_for(tools: Tools, *, ignoring: bool = False) -> ssl.SSLContext:
    """The everyday context; whoever connects says which name it is for.

    ignoring    take any certificate, and what nobody should speak any more
    """
    return tls_client.context(IGNORING if ignoring else CAREFUL, None if ignoring else tools.trust)


def context_of(target: Struct, tools: Tools, **changes: Any) -> ssl.SSLContext:
    """The context of a monitor, for whoever says which name it is for. Raises Unsure for PEM texts that can't be read.

    changes    what is otherwise than its fields say, as in `Terms`
    """
    terms = terms_of(target, **changes)
    return _readable(lambda: tls_client.context(terms, tools.trust))


def context_by(target: Struct, host: str, **changes: Any) -> Named:
    """The context of a monitor for one host, whatever address a library connects to. Raises as `context_of`."""
    terms = terms_of(target, **changes)
    return _readable(lambda: tls_client.named(host, terms))


def context_from(target: Struct, host: str, encryption: Encryption) -> Named | None:
    """The same as a connection string and the fields say together; None where nothing is encrypted."""
    if not encryption.wanted:
        return None
    return context_by(target, host, verify=encryption.verifies, check_name=encryption.checks_name)


def terms_of(target: Struct, **changes: Any) -> Terms:
    """What a monitor's fields say; types call them by either of two names, or don't have them.

    changes    what is otherwise, as in `Terms`
    """
    ignoring = getattr(target, "ignore_tls_errors", False) or not getattr(target, "verify_ssl", True)
    said: dict[str, Any] = {
        "verify": not ignoring,
        "is_old_fine": ignoring,
        "ca": _text(target, "tls_ca", "ca_cert"),
        "certificate": _text(target, "tls_cert", "client_cert"),
        "key": _text(target, "tls_key", "client_key"),
    }
    return Terms(**(said | changes))


def _text(target: Struct, *names: str) -> str:
    return next((str(getattr(target, name)) for name in names if hasattr(target, name)), "")


def _readable(make: Callable[[], Made]) -> Made:
    try:
        return make()
    except (ssl.SSLError, ValueError) as error:
        raise Unsure("the monitor's certificate, key or authorities can't be read") from error


async def encrypted(beneath: StreamWriter, context: ssl.SSLContext, name: str) -> tuple[StreamReader, StreamWriter]:
    """The same connection under TLS. What came before the handshake and was not read yet is forgotten: anybody could
    have said it.

    Not asyncio's `StreamWriter.start_tls`, which breaks when the connection ends with the handshake.

    beneath  to be held as long as what is returned: a writer that nobody holds closes its connection
    raises   Failed, and what the handshake raises
    """
    loop = asyncio.get_running_loop()
    reader = StreamReader(loop=loop)
    protocol = StreamReaderProtocol(reader, loop=loop)
    transport = await loop.start_tls(beneath.transport, protocol, context, server_hostname=name.rstrip("."))
    if transport is None:
        raise Failed("the connection was closed during the handshake")
    protocol.connection_made(transport)
    return reader, StreamWriter(transport, protocol, reader, loop)


def days_left(connection: Connection) -> int | None:
    """Days until the certificate of the other side ends; None without TLS, or when it can't be read."""
    tls = connection.get_extra_info("ssl_object")
    leaf = tls.getpeercert(binary_form=True) if tls else None
    return days_of(leaf) if leaf else None


def days_of(leaf: bytes) -> int | None:
    """Days until a certificate (DER) ends; None when it can't be read."""
    from actors.probes.kit.certificate import certificate_of  # noqa: PLC0415  # a library that most checks never need

    try:
        return expiring.certificate(certificate_of(leaf)).days_left(datetime.now(UTC))
    except ValueError:
        return None
