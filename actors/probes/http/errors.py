"""aiohttp's errors in our words: its own may hold the address."""

import ssl

import aiohttp

from actors.probes.kit.errors import of_system, of_tls
from actors.probes.kit.result import Failed, Unsure

GATEWAY = range(500, 600)  # what an HTTP proxy answers when it is the target that can't be reached


def of_web(error: aiohttp.ClientError) -> Failed | Unsure:
    """What the error says of the target."""
    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return _of_proxy(error)
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLError() as cause):
            return of_tls(cause)
        case aiohttp.ClientConnectorError(os_error=cause):
            return of_system(cause)
        case aiohttp.InvalidURL():
            return Unsure("the address can't be asked")
        case OSError():  # aiohttp drops the class, and with it what the number means: 1 is EPERM, or broken TLS
            return of_system(error.__cause__ if isinstance(error.__cause__, OSError) else error)
    return Failed(_not_http(error))


def _of_proxy(error: aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError) -> Failed | Unsure:
    """Whose fault it was, as far as the proxy tells."""
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return Unsure(f"the proxy can't be reached: {of_system(error.os_error)}")
    if error.status in GATEWAY:
        return Failed(f"the proxy could not reach it and answered {error.status}")
    return Unsure(f"the proxy does not let us through: it answered {error.status}")


def _not_http(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection was closed without an answer"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the body broke off"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"the answer is not HTTP as it should be: {error.message[:120]}"
    return f"the request failed ({type(error).__name__})"
