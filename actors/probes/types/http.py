"""Looks at an HTTP address: its answer, its words, its speed and its certificate."""

from time import perf_counter
from typing import Any

import aiohttp
from msgspec.structs import replace

from actors.probes.http import digest, oauth
from actors.probes.http.cookies import CookieJar
from actors.probes.http.details import RedirectTrace, certificate_days_left, degrade_if_expiring, response_detail
from actors.probes.http.errors import classify_http_error
from actors.probes.http.expectations import ExpectationResult, check_expectations
from actors.probes.http.request import (
    BODY_METHODS,
    CONTENT_TYPE,
    REDIRECT_STATUSES,
    HttpRequest,
    initial_request,
    is_same_origin,
    own_cookie_header,
    redirected_request,
    with_cookies,
    with_header,
)
from actors.probes.http.session import ConnectionOptions, HttpSession, open_session
from actors.probes.kit.context import RunningCheck
from actors.probes.kit.http_response import HttpProbeResponse
from actors.probes.kit.result import CheckInconclusive, ProbeResult, TargetFailed
from actors.probes.kit.values import to_detail
from app.domain.monitoring.values import ABSENT
from app.security.network.egress import EgressDenied
from schema.assertions import CertificateDays
from schema.status import Status
from schema.targets import Http
from schema.targets.http import HttpDigestAuth, IpFamily, Ntlm, OAuth2


async def probe(target: Http, asked: RunningCheck) -> ProbeResult:
    """Ask, follow redirects, judge the last answer."""
    try:
        if not asked.detailed and uses_shared_session(target):
            return await _check(target, asked, HttpSession(asked.context.http, not target.ignore_tls_errors))
        async with open_session(connection_options(target), asked) as way:
            return await _check(target, asked, way)
    except aiohttp.ClientError as error:
        raise classify_http_error(error) from error


def uses_shared_session(target: Http) -> bool:
    """Whether nothing was asked for that needs a session of its own."""
    return not (
        target.proxy_id
        or target.tls_cert
        or target.tls_ca
        or target.resolver_server
        or target.ip_family is not IpFamily.ANY
        or isinstance(target.auth, Ntlm)
    )


def connection_options(target: Http) -> ConnectionOptions:
    """What the monitor wants of the way there."""
    return ConnectionOptions(
        ignore_tls_errors=target.ignore_tls_errors,
        tls_cert=target.tls_cert,
        tls_key=target.tls_key,
        tls_ca=target.tls_ca,
        family=target.ip_family,
        resolver=(target.resolver_server, target.resolver_port),
        use_proxy=bool(target.proxy_id),
        keep_alive=isinstance(target.auth, Ntlm),
    )


async def _check(target: Http, asked: RunningCheck, way: HttpSession) -> ProbeResult:
    began = perf_counter()
    walk = await _request_target(target, asked, way)
    try:
        found = await check_expectations(target, walk.response)
    finally:
        walk.response.close()
    took_s = perf_counter() - began
    if target.check_cert_expiry:
        certificate_days_left(walk.leaf)  # whatever the answer is worth, its certificate was seen
    seen = _evaluate(target, walk, found, took_s)
    if target.assertions:
        seen = replace(seen, value=found.value, certificate_days=_certificate_days(target, walk.leaf))
    if asked.detailed or seen.status is not Status.UP:
        return replace(seen, detail=_detail(walk, found, way, took_s))
    return seen


async def _request_target(target: Http, asked: RunningCheck, way: HttpSession) -> RedirectTrace:
    try:
        request = initial_request(target)
    except ValueError as error:
        raise CheckInconclusive(f"the address can't be asked: {error}") from error
    if isinstance(target.auth, OAuth2):
        token = await oauth.get_token(target.auth, asked, connection_options(target))
        request = with_header(request, "Authorization", f"Bearer {token}")
    walk = await follow_redirects(request, target.max_redirects, way, target.auth)
    if isinstance(target.auth, OAuth2) and walk.response.status == 401:  # noqa: PLR2004  # Unauthorized
        oauth.forget_token(target.auth, asked)
    return walk


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


def _evaluate(target: Http, walk: RedirectTrace, found: ExpectationResult, took_s: float) -> ProbeResult:
    status = walk.response.status
    if found.failure:
        return ProbeResult(Status.DOWN, status, found.failure)
    if target.degraded_after is not None and took_s > target.degraded_after:
        return ProbeResult(
            Status.DEGRADED, status, f"answered in {took_s:.2f} s, later than {target.degraded_after:g} s"
        )
    if walk.leaf and target.check_cert_expiry:
        return degrade_if_expiring(walk.leaf, target.cert_warning_days, ProbeResult(code=status))
    return ProbeResult(code=status)


def _certificate_days(target: Http, leaf: bytes | None) -> int | None:
    """Days until the certificate ends, when an assertion is about them."""
    return certificate_days_left(leaf) if any(isinstance(one, CertificateDays) for one in target.assertions) else None


def _detail(walk: RedirectTrace, found: ExpectationResult, way: HttpSession, took_s: float) -> dict[str, Any]:
    """What people see: the answer, the query's hit, and where the time went, as far as it was measured."""
    timings = way.timings.facts(took_s) if way.timings else {"total_ms": round(took_s * 1000, 3)}
    hit = {} if found.value is ABSENT else {"value": to_detail(found.value)}
    return {**response_detail(walk), **hit, "timings": timings}
