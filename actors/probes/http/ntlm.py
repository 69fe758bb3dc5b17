"""NTLM authentication over HTTP: three messages on one connection, with pyspnego."""

from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable

import spnego
from spnego.exceptions import SpnegoError

from actors.probes.http.request import HttpRequest, with_header
from actors.probes.http.session import HttpSession
from actors.probes.kit.bounded_body import drain
from actors.probes.kit.http_response import HttpProbeResponse
from actors.probes.kit.result import CheckInconclusive, TargetFailed
from schema.targets.http import Ntlm

SCHEME = "NTLM"
UNAUTHORIZED = 401

Send = Callable[[HttpRequest, HttpSession], Awaitable[HttpProbeResponse]]


async def authenticate(request: HttpRequest, session: HttpSession, auth: Ntlm, send: Send) -> HttpProbeResponse:
    """The response to the authenticated request; the first response when the server does not ask for NTLM."""
    client = _client(auth, request.url.host or "")
    first_response = await send(_with_token(request, client.step()), session)
    challenge = _parse_challenge(first_response)
    if first_response.status != UNAUTHORIZED or not challenge:
        return first_response
    await drain(first_response)  # so that the next request uses the same connection
    try:
        proof = client.step(challenge)
    except (SpnegoError, ValueError) as error:
        raise TargetFailed("the server's NTLM challenge can't be read", code=UNAUTHORIZED) from error
    return await send(_with_token(request, proof), session)


def _client(auth: Ntlm, host: str) -> spnego.ContextProxy:
    name = f"{auth.domain}\\{auth.username}" if auth.domain else auth.username
    try:
        return spnego.client(name, auth.password, hostname=host, service="http", protocol="ntlm")
    except (SpnegoError, ValueError) as error:
        raise CheckInconclusive(f"NTLM can't be spoken with this user name: {str(error)[:120]}") from error


def _with_token(request: HttpRequest, token: bytes | None) -> HttpRequest:
    return with_header(request, "Authorization", f"{SCHEME} {b64encode(token or b'').decode('ascii')}")


def _parse_challenge(response: HttpProbeResponse) -> bytes:
    """The server's second message; empty when there is none."""
    for value in response.headers.getall("WWW-Authenticate", ()):
        scheme, _, token = value.partition(" ")
        if scheme.upper() == SCHEME and token:
            try:
                return b64decode(token, validate=True)
            except ValueError as error:
                raise TargetFailed("the server's NTLM challenge can't be read", code=UNAUTHORIZED) from error
    return b""
