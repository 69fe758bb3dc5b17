"""Creates TLS client contexts, for checks and for senders.

A verifying context offers what OpenSSL's own clients do (curl, psql, git): TLS 1.2 and later, security level 2. A
context that ignores TLS errors also supports old devices: TLS 1.0, level 0, and servers without RFC 5746.
"""

import ssl
from functools import lru_cache
from tempfile import NamedTemporaryFile
from typing import Any

from msgspec import Struct

from app.domain.parsing.hosts import usable_host
from app.domain.parsing.pem import ascii_pem
from app.security.network.tls_limits import BoundedTls, apply_limits

MAX_CONTEXTS = 512  # with the system's authorities each takes some 20 ms and 0.85 MB
MAX_HOST_CONTEXTS = 4_096  # 15 kB each
LEGACY_SERVER_CONNECT = 0x4  # OpenSSL's SSL_OP_LEGACY_SERVER_CONNECT; the module names it from Python 3.12 on
ANY_LEVEL = "DEFAULT:@SECLEVEL=0"


class TlsOptions(Struct, frozen=True, kw_only=True):
    """Which certificates to trust, which protocol versions to offer, and our own certificate. Texts are PEM.

    verify            the host's certificate must be valid
    check_hostname    it must be for this host too
    allow_legacy      offer outdated versions and ciphers
    ca                authorities instead of the default ones
    certificate, key  our client certificate
    max_version       newest TLS version to offer; None: no limit
    alpn_protocols    application protocols to negotiate (ALPN)
    """

    verify: bool = True
    check_hostname: bool = True
    allow_legacy: bool = False
    ca: str = ""
    certificate: str = ""
    key: str = ""
    max_version: ssl.TLSVersion | None = None
    alpn_protocols: tuple[str, ...] = ()


VERIFYING = TlsOptions()
UNVERIFIED = TlsOptions(verify=False, allow_legacy=True)


class HostContext(ssl.SSLContext):
    """A context for one host: the certificate is requested and verified under that name.

    A library that connects by itself gets an address that the policy allowed, and would verify that address. All
    settings come from the inner context, so that all hosts share one set of authorities.
    """

    host: str
    inner: ssl.SSLContext

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *_: Any, **__: Any) -> ssl.SSLObject:
        """As the base class, for a client, with our host name."""
        return self.inner.wrap_bio(incoming, outgoing, server_hostname=self.host)

    def wrap_socket(self, sock: Any, *_: Any, **options: Any) -> ssl.SSLSocket:
        """As the base class, with our host name."""
        return self.inner.wrap_socket(sock, **{**options, "server_hostname": self.host})


@lru_cache(maxsize=MAX_CONTEXTS)
def client_context(options: TlsOptions = VERIFYING, trust: ssl.SSLContext | None = None) -> ssl.SSLContext:
    """A client's context, cached by its options. The caller passes the host name when it connects.

    trust     a context with the default authorities; None: the system's
    raises    ssl.SSLError or ValueError for PEM texts that can't be read
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = options.verify and options.check_hostname
    context.verify_mode = ssl.CERT_REQUIRED if options.verify else ssl.CERT_NONE
    context.verify_flags |= (
        ssl.VERIFY_X509_PARTIAL_CHAIN
    )  # an intermediate certificate may be the trusted one, as in curl
    if options.allow_legacy:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.options |= LEGACY_SERVER_CONNECT
        context.set_ciphers(ANY_LEVEL)
    if options.max_version is not None:
        context.maximum_version = options.max_version
    if options.alpn_protocols:
        context.set_alpn_protocols(list(options.alpn_protocols))
    if options.verify:
        _load_authorities(context, options.ca, trust)
    if options.certificate:
        _load_client_certificate(context, options.certificate, options.key)
    return apply_limits(context)


@lru_cache(maxsize=MAX_HOST_CONTEXTS)
def context_for_host(host: str, options: TlsOptions = VERIFYING, trust: ssl.SSLContext | None = None) -> HostContext:
    """A client's context for one host. Raises as `client_context`."""
    context = HostContext(ssl.PROTOCOL_TLS_CLIENT)
    context.host, context.inner = usable_host(host).rstrip("."), client_context(options, trust)
    context.check_hostname, context.verify_mode = context.inner.check_hostname, context.inner.verify_mode
    context.sslobject_class = BoundedTls  # as in the inner context
    return context


def _load_authorities(context: ssl.SSLContext, ca: str, trust: ssl.SSLContext | None) -> None:
    if ca:
        context.load_verify_locations(cadata=ascii_pem(ca))
    elif trust is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cadata=b"".join(trust.get_ca_certs(binary_form=True)))


def _load_client_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Raises ssl.SSLError for PEM texts that can't be read, and for a key with a passphrase."""
    with NamedTemporaryFile("w", suffix=".pem", encoding="ascii", errors="replace") as file:  # the library
        file.write(f"{certificate}\n{key}\n")  # reads files only; this one is deleted at once
        file.flush()
        context.load_cert_chain(file.name, password="")  # without a password the library would prompt at the terminal
