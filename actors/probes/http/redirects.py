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
    request: HttpRequest, max_redirects: int, session: HttpSession, auth: object = None
) -> RedirectTrace:
    """Send a request and follow redirects; with 0 a redirect is the response.

    raises    TargetFailed, CheckInconclusive, EgressDenied
    """
    leaf: bytes | None = None
    hops: list[str] = []
    cookies: CookieJar | None = None
    for hop in range(max_redirects + 1):
        response = await _send_authenticated(request, session, hop, auth)
        leaf = leaf or response.certificate
        location = response.headers.get("Location") if response.status in REDIRECT_STATUSES else None
        if not location or not max_redirects:
            return RedirectTrace(response, leaf, hops)
        response.close()
        hops.append(str(request.url))
        if set_cookies := response.headers.getall("Set-Cookie", ()):
            cookies = cookies or CookieJar(request.url, own_cookie_header(request))
            cookies.update(request.url, set_cookies)
        previous_url, request = request.url, _next_request(request, response.status, location)
        auth = auth if is_same_origin(previous_url, request.url) else None
        if cookies:
            request = with_cookies(request, cookies)
    raise TargetFailed(f"more than {max_redirects} redirects", code=response.status)


async def _send_authenticated(request: HttpRequest, session: HttpSession, hop: int, auth: object) -> HttpProbeResponse:
    began, setup_before = perf_counter(), session.timings.setup_s() if session.timings else 0.0
    try:
        if isinstance(auth, HttpDigestAuth):
            return await digest.authenticate(request, session, auth, send_request)
        if not hop and isinstance(auth, Ntlm):
            from actors.probes.http import ntlm  # noqa: PLC0415  # an optional library

            return await ntlm.authenticate(request, session, auth, send_request)
        return await send_request(request, session)
    except EgressDenied as denied:
        if not hop:
            raise
        raise TargetFailed(f"redirected to a place where checks don't go: {denied}") from denied
    finally:
        if session.timings:
            session.timings.add("first_byte", perf_counter() - began - (session.timings.setup_s() - setup_before))


async def send_request(request: HttpRequest, session: HttpSession) -> HttpProbeResponse:
    """Send one request. Raises CheckInconclusive for one that can't be built, and aiohttp's errors."""
    try:
        return await session.client.request(  # type: ignore[return-value]  # the session's response_class
            request.method,
            request.url,
            headers=request.headers,
            data=request.body,
            allow_redirects=False,  # we do: aiohttp would send the monitor's headers to any host
            skip_auto_headers=CONTENT_TYPE if request.method in BODY_METHODS and not request.body else None,
            ssl=session.ssl,
            proxy=session.proxy,
        )
    except aiohttp.ClientError:  # some are ValueErrors too
        raise
    except ValueError as error:
        raise CheckInconclusive(f"the request can't be written: {error}") from error


def _next_request(request: HttpRequest, status: int, location: str) -> HttpRequest:
    try:
        return redirected_request(request, status, location)
    except ValueError as error:
        raise TargetFailed("redirected to something that is no http address", code=status) from error
