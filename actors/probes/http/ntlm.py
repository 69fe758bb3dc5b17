"""NTLM over HTTP: three messages on one connection, by pyspnego."""

from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable

import spnego
from spnego.exceptions import SpnegoError

from actors.probes.http.request import Request, with_header
from actors.probes.http.session import Way
from actors.probes.kit.bounded_body import drained
from actors.probes.kit.http_response import Reply
from actors.probes.kit.result import Failed, Unsure
from schema.targets.http import Ntlm

SCHEME = "NTLM"
UNAUTHORIZED = 401

Ask = Callable[[Request, Way], Awaitable[Reply]]


async def answer_to(request: Request, way: Way, auth: Ntlm, ask: Ask) -> Reply:
    """The answer to whoever we say we are; a server that wants no NTLM has answered with its first one."""
    ours = _speaker(auth, request.url.host or "")
    greeting = await ask(_saying(request, ours.step()), way)
    challenge = _challenge_of(greeting)
    if greeting.status != UNAUTHORIZED or not challenge:
        return greeting
    await drained(greeting)  # so that the next request goes on the same connection
    try:
        proof = ours.step(challenge)
    except (SpnegoError, ValueError) as error:
        raise Failed("the server's NTLM challenge can't be read", code=UNAUTHORIZED) from error
    return await ask(_saying(request, proof), way)


def _speaker(auth: Ntlm, host: str) -> spnego.ContextProxy:
    name = f"{auth.domain}\\{auth.username}" if auth.domain else auth.username
    try:
        return spnego.client(name, auth.password, hostname=host, service="http", protocol="ntlm")
    except (SpnegoError, ValueError) as error:
        raise Unsure(f"NTLM can't be spoken with this user name: {str(error)[:120]}") from error


def _saying(request: Request, token: bytes | None) -> Request:
    return with_header(request, "Authorization", f"{SCHEME} {b64encode(token or b'').decode('ascii')}")


def _challenge_of(answer: Reply) -> bytes:
    """The server's second message; empty when there is none."""
    for value in answer.headers.getall("WWW-Authenticate", ()):
        scheme, _, token = value.partition(" ")
        if scheme.upper() == SCHEME and token:
            try:
                return b64decode(token, validate=True)
            except ValueError as error:
                raise Failed("the server's NTLM challenge can't be read", code=UNAUTHORIZED) from error
    return b""
