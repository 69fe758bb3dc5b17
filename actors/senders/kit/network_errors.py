"""Network errors as sentences for users. The libraries' own texts hold addresses, sometimes tokens. Pure."""

import os
import ssl

import aiohttp

from actors.probes.kit.errors import classify_http_error
from app.security.network.resolver import NameUnknown, ResolverUnavailable


def describe_error(error: Exception) -> str:
    """Why there was no response."""
    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return str(classify_http_error(error))  # which names the proxy
    cause = getattr(error, "os_error", None) or error
    if isinstance(cause, NameUnknown | ResolverUnavailable):
        return str(cause.strerror)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the server's certificate is not valid: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS could not be agreed on: {cause.reason}"
    if isinstance(cause, OSError) and not isinstance(cause, aiohttp.ClientError):
        return f"no connection: {_os_error_text(cause)}"
    return f"the connection broke off before an answer ({type(error).__name__})"


def _os_error_text(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno and error.errno > 0 else type(error).__name__
