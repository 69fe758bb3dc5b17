"""Maps errors of the operating system, of TLS and of aiohttp to a failure of the target or of our own side."""

import errno
import os
import ssl
from socket import gaierror

import aiohttp

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

GATEWAY_ERRORS = range(500, 600)  # an HTTP proxy's status when it can't reach the target
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


def classify_http_error(error: aiohttp.ClientError) -> TargetFailed | CheckInconclusive:
    """TargetFailed or CheckInconclusive for an error of aiohttp, whose own message may contain the address."""
    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return _classify_proxy_error(error)
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLError() as cause):
            return classify_tls_error(cause)
        case aiohttp.ClientConnectorError(os_error=cause):
            return classify_os_error(cause)
        case aiohttp.InvalidURL():
            return CheckInconclusive("the address can't be asked")
        case OSError():  # aiohttp drops the class that gives the number its meaning: 1 is EPERM, or broken TLS
            return classify_os_error(error.__cause__ if isinstance(error.__cause__, OSError) else error)
    return TargetFailed(_protocol_error_text(error))


def _classify_proxy_error(
    error: aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError,
) -> TargetFailed | CheckInconclusive:
    """Whether the proxy or the target failed, as far as the proxy says."""
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return CheckInconclusive(f"the proxy can't be reached: {classify_os_error(error.os_error)}")
    return classify_proxy_status(error.status)


def classify_proxy_status(status: int) -> TargetFailed | CheckInconclusive:
    """Whose failure an HTTP proxy's status for CONNECT is."""
    if status in GATEWAY_ERRORS:
        return TargetFailed(f"the proxy could not reach it and answered {status}")
    return CheckInconclusive(f"the proxy does not let us through: it answered {status}")


def _protocol_error_text(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection was closed without an answer"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the body broke off"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"the answer is not HTTP as it should be: {error.message[:120]}"
    return f"the request failed ({type(error).__name__})"
