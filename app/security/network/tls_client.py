"""TLS as a client: the one maker of contexts, for checks and for what sends messages.

A context that verifies offers what OpenSSL's own clients do (curl, psql, git): TLS 1.2 and later, level 2. One whose
target's errors are ignored speaks with old devices too: TLS 1.0, level 0, and servers that don't know RFC 5746.
"""

import ssl
from functools import lru_cache
from tempfile import NamedTemporaryFile
from typing import Any

from msgspec import Struct

from app.domain.parsing.pem import ascii_pem
from app.security.network.tls_limits import BoundedTls, apply_limits

MAX_CONTEXTS = 512  # contexts; with the system's authorities each takes some 20 ms and 0.85 MB
MAX_HOST_CONTEXTS = 4_096  # of 15 kB each
LEGACY_SERVER_CONNECT = 0x4  # OpenSSL's SSL_OP_LEGACY_SERVER_CONNECT; the module names it from Python 3.12 on
ANY_LEVEL = "DEFAULT:@SECLEVEL=0"


class TlsOptions(Struct, frozen=True, kw_only=True):
    """Whom to trust, how far, and who we are. Texts are PEM.

    verify        whether the host's certificate must be valid
    check_name    whether it must be for this host too
    is_old_fine   whether what nobody should speak any more is spoken
    ca            authorities instead of the usual ones
    newest        of TLS's versions; None: whatever both sides know
    protocols     what is spoken inside, to be agreed on (ALPN)
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
    """A context for one host: its certificate is asked for and verified under that name.

    Libraries that connect by themselves are given an address that the policy allowed, and would verify that. What
    it has to say is another context's: one set of authorities is enough for all hosts.
    """

    host: str
    inner: ssl.SSLContext

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *_: Any, **__: Any) -> ssl.SSLObject:
        """As the base class, for a client; the name is ours."""
        return self.inner.wrap_bio(incoming, outgoing, server_hostname=self.host)

    def wrap_socket(self, sock: Any, *_: Any, **options: Any) -> ssl.SSLSocket:
        """As the base class; the name is ours."""
        return self.inner.wrap_socket(sock, **{**options, "server_hostname": self.host})


@lru_cache(maxsize=MAX_CONTEXTS)
def client_context(options: TlsOptions = VERIFYING, trust: ssl.SSLContext | None = None) -> ssl.SSLContext:
    """A client's context; whoever connects says which name it is for. The same one for the same terms.

    trust     whose authorities are the usual ones; None: the system's
    raises    ssl.SSLError or ValueError for PEM texts that can't be read
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = options.verify and options.check_hostname
    made.verify_mode = ssl.CERT_REQUIRED if options.verify else ssl.CERT_NONE
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a link of the chain may be who is trusted, as for curl
    if options.allow_legacy:
        made.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        made.options |= LEGACY_SERVER_CONNECT
        made.set_ciphers(ANY_LEVEL)
    if options.max_version is not None:
        made.maximum_version = options.max_version
    if options.alpn_protocols:
        made.set_alpn_protocols(list(options.alpn_protocols))
    if options.verify:
        _load_authorities(made, options.ca, trust)
    if options.certificate:
        _load_client_certificate(made, options.certificate, options.key)
    return apply_limits(made)


@lru_cache(maxsize=MAX_HOST_CONTEXTS)
def context_for_host(host: str, options: TlsOptions = VERIFYING, trust: ssl.SSLContext | None = None) -> HostContext:
    """The same for one host. Raises as `context`."""
    made = HostContext(ssl.PROTOCOL_TLS_CLIENT)
    made.host, made.inner = host.rstrip("."), client_context(options, trust)
    made.check_hostname, made.verify_mode = made.inner.check_hostname, made.inner.verify_mode
    made.sslobject_class = BoundedTls  # as the inner one's is
    return made


def _load_authorities(made: ssl.SSLContext, ca: str, trust: ssl.SSLContext | None) -> None:
    if ca:
        made.load_verify_locations(cadata=ascii_pem(ca))
    elif trust is None:
        made.load_default_certs()
    else:
        made.load_verify_locations(cadata=b"".join(trust.get_ca_certs(binary_form=True)))


def _load_client_certificate(made: ssl.SSLContext, certificate: str, key: str) -> None:
    """Say who we are. Raises ssl.SSLError for PEM texts that can't be read, and for a key with a passphrase."""
    with NamedTemporaryFile("w", suffix=".pem", encoding="ascii", errors="replace") as file:  # the library reads
        file.write(f"{certificate}\n{key}\n")  # files only; ours is gone at once
        file.flush()
        made.load_cert_chain(file.name, password="")  # without one the library asks at the terminal
