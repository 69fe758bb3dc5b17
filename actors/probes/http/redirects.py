"""Sends an HTTP request and follows its redirects: cookies and credentials stay with the site they belong to."""

from time import perf_counter

import aiohttp

from actors.probes.http import digest
from actors.probes.http.cookies import CookieJar
from actors.probes.http.details import RedirectTrace
from actors.probes.http.request import (
    BODY_METHODS,
    CONTENT_TYPE,
    REDIRECT_STATUSES,
    HttpRequest,
    is_same_origin,
    own_cookie_header,
    redirected_request,
    with_cookies,
)
from actors.probes.http.session import HttpSession
from actors.probes.kit.http_response import HttpProbeResponse
from actors.probes.kit.result import CheckInconclusive, TargetFailed
from app.security.network.egress import EgressDenied
from schema.targets.http import HttpDigestAuth, Ntlm


async def follow_redirects(
    request: HttpRequest, max_redirects: int, way: HttpSession, auth: object = None
) -> RedirectTrace:
    """Ask, and follow up to so many redirects; 0 takes a redirect as the answer. Raises Failed, Unsure, Refused."""
    leaf: bytes | None = None
    hops: list[str] = []
    cookies: CookieJar | None = None
    for hop in range(max_redirects + 1):
        answer = await _send_authenticated(request, way, hop, auth)
        leaf = leaf or answer.certificate
        location = answer.headers.get("Location") if answer.status in REDIRECT_STATUSES else None
        if not location or not max_redirects:
            return RedirectTrace(answer, leaf, hops)
        answer.close()
        hops.append(str(request.url))
        if set_here := answer.headers.getall("Set-Cookie", ()):
            cookies = cookies or CookieJar(request.url, own_cookie_header(request))
            cookies.update(request.url, set_here)
        came_from, request = request.url, _next_request(request, answer.status, location)
        auth = auth if is_same_origin(came_from, request.url) else None
        if cookies:
            request = with_cookies(request, cookies)
    raise TargetFailed(f"more than {max_redirects} redirects", code=answer.status)


async def _send_authenticated(request: HttpRequest, way: HttpSession, hop: int, auth: object) -> HttpProbeResponse:
    began, before = perf_counter(), way.timings.setup_s() if way.timings else 0.0
    try:
        if isinstance(auth, HttpDigestAuth):
            return await digest.authenticate(request, way, auth, send_request)
        if not hop and isinstance(auth, Ntlm):
            return await _send_ntlm(request, way, auth)
        return await send_request(request, way)
    except EgressDenied as refused:
        if not hop:
            raise
        raise TargetFailed(f"redirected to a place where checks don't go: {refused}") from refused
    finally:
        if way.timings:
            way.timings.add("first_byte", perf_counter() - began - (way.timings.setup_s() - before))


async def send_request(request: HttpRequest, way: HttpSession) -> HttpProbeResponse:
    """One request. Raises Unsure for one that can't be written, aiohttp's errors."""
    try:
        return await way.client.request(  # type: ignore[return-value]  # the session's response_class
            request.method,
            request.url,
            headers=request.headers,
            data=request.body,
            allow_redirects=False,  # ours: aiohttp would take a monitor's own headers to any host
            skip_auto_headers=CONTENT_TYPE if request.method in BODY_METHODS and not request.body else None,
            ssl=way.ssl,
            proxy=way.proxy,
        )
    except aiohttp.ClientError:  # some of them are ValueErrors too
        raise
    except ValueError as error:
        raise CheckInconclusive(f"the request can't be written: {error}") from error


async def _send_ntlm(request: HttpRequest, way: HttpSession, auth: Ntlm) -> HttpProbeResponse:
    from actors.probes.http import ntlm  # noqa: PLC0415  # an extra

    return await ntlm.authenticate(request, way, auth, send_request)


def _next_request(request: HttpRequest, status: int, location: str) -> HttpRequest:
    try:
        return redirected_request(request, status, location)
    except ValueError as error:
        raise TargetFailed("redirected to something that is no http address", code=status) from error
