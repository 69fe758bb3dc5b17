"""Maps errors of the operating system and of TLS to a failure of the target or of our own side."""

import errno
import os
import ssl
from socket import gaierror

from actors.probes.kit import expiring
from actors.probes.kit.result import CheckInconclusive, TargetFailed
from app.security.network.resolver import NameUnknown, ResolverUnavailable

LOCAL_ERRORS = frozenset(
    {
        errno.EMFILE,  # in this process
        errno.ENFILE,  # on this machine
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EADDRNOTAVAIL,  # out of ports, or no local address of that family
        errno.EAFNOSUPPORT,
        errno.ENETUNREACH,  # no route from here
        errno.ENETDOWN,
        errno.EMSGSIZE,  # larger than our interface sends
        errno.EACCES,  # a local firewall
        errno.EPERM,
    }
)

ROUTE_ERRORS = frozenset({errno.ENETUNREACH, errno.ENETDOWN})
HAS_EXPIRED = 10  # OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED


def classify_os_error(error: OSError) -> TargetFailed | CheckInconclusive:
    """TargetFailed or CheckInconclusive for an OSError of a connection."""
    if isinstance(error, NameUnknown):
        return TargetFailed(str(error.strerror))
    if isinstance(error, ResolverUnavailable):
        return CheckInconclusive(str(error.strerror), network=True)
    if isinstance(error, ssl.SSLError):
        return classify_tls_error(error)
    if isinstance(error, gaierror):  # for an address with a zone: names are resolved elsewhere
        return TargetFailed("this machine has no way to that address: is its zone an interface here?")
    message = _os_error_text(error).lower()
    if error.errno in LOCAL_ERRORS:
        return CheckInconclusive(f"could not ask: {message}", network=error.errno in ROUTE_ERRORS)
    return TargetFailed(message)


def _os_error_text(error: OSError) -> str:
    """The system's text; a broken connection always gets the same one, whoever noticed it, and when."""
    if isinstance(error, ConnectionResetError | BrokenPipeError) or type(error) is ConnectionError:
        return os.strerror(errno.ECONNRESET)
    return os.strerror(error.errno) if error.errno else str(error) or type(error).__name__


def classify_tls_error(error: ssl.SSLError) -> TargetFailed:
    """A failed handshake; an invalid certificate gets its own message."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code == HAS_EXPIRED:
            expiring.record(expiring.EXPIRED_CERTIFICATE)
        return TargetFailed(f"certificate not valid: {error.verify_message}")
    return TargetFailed(f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}")
