"""TLS of checks: whom they trust, who they say they are, and what a handshake showed.

Two kinds of context: the everyday one, which all checks share, and a monitor's own, for one host, where it names
authorities or a certificate of its own or where a library connects by itself.
"""

import ssl
from asyncio import BaseTransport, StreamWriter
from datetime import UTC, datetime
from functools import cache, lru_cache
from tempfile import NamedTemporaryFile
from typing import Any

from actors.probes import sightings
from actors.probes.seen import Unsure
from actors.probes.tools import Tools
from app.domain.connections.uris import Encryption
from app.domain.pem_text import ascii_pem
from app.security.tls_bounds import bounded
from schema.targets import Docker, Mongodb, Mqtt, Mysql, Redis

KEPT = 256  # contexts of monitors' own; reading the system's authorities takes some 20 ms

Particular = Docker | Mongodb | Mqtt | Mysql | Redis  # targets that say whom to trust, how far, and who we are


class Named(ssl.SSLContext):
    """A client's context for one host: its certificate is asked for and verified under that name.

    Libraries that connect by themselves are given an address that the policy allowed, and would verify that.
    """

    host = ""

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """As the base class; the name is ours."""
        return super().wrap_bio(*args, **{**options, "server_hostname": self.host})

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """As the base class; the name is ours."""
        return super().wrap_socket(*args, **{**options, "server_hostname": self.host})


def context_for(tools: Tools, *, ignoring: bool = False) -> ssl.SSLContext:
    """The everyday context; whoever connects says which name it is for.

    ignoring    take any certificate
    """
    return bounded(_credulous() if ignoring else tools.trust or _careful())


def context_by(target: Particular, host: str) -> Named:
    """A monitor's own context, by its own fields. Raises Unsure for PEM texts that can't be read."""
    return own_context(
        host,
        verify=not target.ignore_tls_errors,
        ca=target.ca_cert,
        certificate=target.client_cert,
        key=target.client_key,
    )


def context_from(target: Particular, host: str, encryption: Encryption) -> Named | None:
    """The same as a connection string and the fields say together; None where nothing is encrypted."""
    if not encryption.wanted:
        return None
    return own_context(
        host,
        verify=encryption.verifies,
        check_name=encryption.checks_name,
        ca=target.ca_cert,
        certificate=target.client_cert,
        key=target.client_key,
    )


@lru_cache(maxsize=KEPT)
def own_context(  # noqa: PLR0913  # what TLS can be told
    host: str,
    *,
    verify: bool = True,
    check_name: bool = True,
    ca: str = "",
    certificate: str = "",
    key: str = "",
    newest: ssl.TLSVersion | None = None,
) -> Named:
    """A monitor's own context, piece by piece. Raises Unsure for PEM texts that can't be read.

    verify        whether the host's certificate must be valid
    check_name    whether it must be for this host too
    newest        of TLS's versions; None: whatever both sides know
    """
    made = Named(ssl.PROTOCOL_TLS_CLIENT)
    bounded(made)
    made.host = host
    made.check_hostname = verify and check_name
    made.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    if newest is not None:
        made.maximum_version = newest
    try:
        _trust(made, ca)
        if certificate:
            introduce(made, certificate, key)
    except (ssl.SSLError, ValueError) as error:
        raise Unsure(f"a certificate or key of this monitor can't be read: {error.args[-1]}") from error
    return made


def introduce(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Say who we are. Raises ssl.SSLError for PEM texts that can't be read, and for a key with a passphrase."""
    with NamedTemporaryFile("w", suffix=".pem", encoding="ascii", errors="replace") as file:  # the library reads
        file.write(f"{certificate}\n{key}\n")  # files only; ours is gone at once
        file.flush()
        context.load_cert_chain(file.name, password="")  # without one the library asks at the terminal


def days_left(connection: BaseTransport | StreamWriter) -> int | None:
    """Days until the certificate of the other side ends; None without TLS, or when it can't be read."""
    tls = connection.get_extra_info("ssl_object")
    leaf = tls.getpeercert(binary_form=True) if tls else None
    return days_of(leaf) if leaf else None


def days_of(leaf: bytes) -> int | None:
    """Days until a certificate (DER) ends; None when it can't be read."""
    from actors.probes.certificate import certificate_of  # noqa: PLC0415  # a library that most checks never need

    try:
        return sightings.certificate(certificate_of(leaf)).days_left(datetime.now(UTC))
    except ValueError:
        return None


def _trust(made: Named, ca: str) -> None:
    if ca:
        made.load_verify_locations(cadata=ascii_pem(ca))
    else:
        made.load_default_certs()


@cache
def _careful() -> ssl.SSLContext:
    return ssl.create_default_context()


@cache
def _credulous() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
