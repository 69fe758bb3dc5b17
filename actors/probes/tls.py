"""TLS of probes that shake hands themselves: whom they trust, and what the handshake showed."""

import ssl
from asyncio import BaseTransport, StreamWriter
from datetime import UTC, datetime
from functools import cache

from actors.probes.tools import Tools


def context_for(tools: Tools, *, ignoring: bool = False) -> ssl.SSLContext:
    """How to shake hands.

    ignoring    take any certificate
    """
    return _credulous() if ignoring else tools.trust or _careful()


def days_left(connection: BaseTransport | StreamWriter) -> int | None:
    """Days until the certificate of the other side ends; None without TLS, or when it can't be read."""
    tls = connection.get_extra_info("ssl_object")
    leaf = tls.getpeercert(binary_form=True) if tls else None
    return days_of(leaf) if leaf else None


def days_of(leaf: bytes) -> int | None:
    """Days until a certificate (DER) ends; None when it can't be read."""
    from actors.probes.certificate import certificate_of  # noqa: PLC0415 - a library that most checks never need

    try:
        return certificate_of(leaf).days_left(datetime.now(UTC))
    except ValueError:
        return None


@cache
def _careful() -> ssl.SSLContext:
    return ssl.create_default_context()


@cache
def _credulous() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
