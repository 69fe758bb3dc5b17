"""Maps aiohttp's errors to our own messages: its messages may contain the address."""

import ssl

import aiohttp

from actors.probes.kit.errors import classify_os_error, classify_tls_error
from actors.probes.kit.result import CheckInconclusive, TargetFailed

GATEWAY_ERRORS = range(500, 600)  # an HTTP proxy's status when it can't reach the target


def classify_http_error(error: aiohttp.ClientError) -> TargetFailed | CheckInconclusive:
    """TargetFailed or CheckInconclusive for an error of aiohttp."""
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
    if error.status in GATEWAY_ERRORS:
        return TargetFailed(f"the proxy could not reach it and answered {error.status}")
    return CheckInconclusive(f"the proxy does not let us through: it answered {error.status}")


def _protocol_error_text(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection was closed without an answer"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the body broke off"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"the answer is not HTTP as it should be: {error.message[:120]}"
    return f"the request failed ({type(error).__name__})"
