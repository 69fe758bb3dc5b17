"""Looks at an HTTP address: its answer, its words, its speed and its certificate."""

from time import perf_counter
from typing import Any

import aiohttp
from msgspec.structs import replace

from actors.probes.http import digest, oauth
from actors.probes.http.cookies import Cookies
from actors.probes.http.details import Walk, days_of, detail_of, unless_it_ends
from actors.probes.http.errors import of_web
from actors.probes.http.expectations import Read, read
from actors.probes.http.request import (
    CONTENT_TYPE,
    REDIRECTS,
    WITH_BODY,
    Request,
    after,
    first,
    own_cookies,
    same_owner,
    with_cookies,
    with_header,
)
from actors.probes.http.session import Way, Wishes, opened
from actors.probes.kit.context import Asked
from actors.probes.kit.http_response import Reply
from actors.probes.kit.result import Failed, Seen, Unsure
from actors.probes.kit.values import shown
from app.domain.monitoring.values import ABSENT
from app.security.network.egress import Refused
from schema.assertions import CertificateDays
from schema.status import Status
from schema.targets import Http
from schema.targets.http import HttpDigestAuth, IpFamily, Ntlm, OAuth2


async def probe(target: Http, asked: Asked) -> Seen:
    """Ask, follow redirects, judge the last answer."""
    try:
        if not asked.detailed and takes_the_usual_way(target):
            return await _look(target, asked, Way(asked.tools.http, not target.ignore_tls_errors))
        async with opened(wishes_of(target), asked) as way:
            return await _look(target, asked, way)
    except aiohttp.ClientError as error:
        raise of_web(error) from error


def takes_the_usual_way(target: Http) -> bool:
    """Whether nothing was asked for that needs a session of its own."""
    return not (
        target.proxy_id
        or target.tls_cert
        or target.tls_ca
        or target.resolver_server
        or target.ip_family is not IpFamily.ANY
        or isinstance(target.auth, Ntlm)
    )


def wishes_of(target: Http) -> Wishes:
    """What the monitor wants of the way there."""
    return Wishes(
        ignore_tls_errors=target.ignore_tls_errors,
        tls_cert=target.tls_cert,
        tls_key=target.tls_key,
        tls_ca=target.tls_ca,
        family=target.ip_family,
        resolver=(target.resolver_server, target.resolver_port),
        proxied=bool(target.proxy_id),
        kept=isinstance(target.auth, Ntlm),
    )


async def _look(target: Http, asked: Asked, way: Way) -> Seen:
    began = perf_counter()
    walk = await _walked(target, asked, way)
    try:
        found = await read(target, walk.answer)
    finally:
        walk.answer.close()
    took_s = perf_counter() - began
    if target.check_cert_expiry:
        days_of(walk.leaf)  # whatever the answer is worth, its certificate was seen
    seen = _judged(target, walk, found, took_s)
    if target.assertions:
        seen = replace(seen, value=found.value, certificate_days=_days(target, walk.leaf))
    if asked.detailed or seen.status is not Status.UP:
        return replace(seen, detail=_detail(walk, found, way, took_s))
    return seen


async def _walked(target: Http, asked: Asked, way: Way) -> Walk:
    try:
        request = first(target)
    except ValueError as error:
        raise Unsure(f"the address can't be asked: {error}") from error
    if isinstance(target.auth, OAuth2):
        token = await oauth.token_for(target.auth, asked, wishes_of(target))
        request = with_header(request, "Authorization", f"Bearer {token}")
    walk = await walked(request, target.max_redirects, way, target.auth)
    if isinstance(target.auth, OAuth2) and walk.answer.status == 401:  # noqa: PLR2004  # Unauthorized
        oauth.forget(target.auth, asked)
    return walk


async def walked(request: Request, most: int, way: Way, auth: object = None) -> Walk:
    """Ask, and follow up to so many redirects; 0 takes a redirect as the answer. Raises Failed, Unsure, Refused."""
    leaf: bytes | None = None
    hops: list[str] = []
    cookies: Cookies | None = None
    for hop in range(most + 1):
        answer = await _answer_to(request, way, hop, auth)
        leaf = leaf or answer.certificate
        location = answer.headers.get("Location") if answer.status in REDIRECTS else None
        if not location or not most:
            return Walk(answer, leaf, hops)
        answer.close()
        hops.append(str(request.url))
        if set_here := answer.headers.getall("Set-Cookie", ()):
            cookies = cookies or Cookies(request.url, own_cookies(request))
            cookies.take(request.url, set_here)
        came_from, request = request.url, _onward(request, answer.status, location)
        auth = auth if same_owner(came_from, request.url) else None
        if cookies:
            request = with_cookies(request, cookies)
    raise Failed(f"more than {most} redirects", code=answer.status)


async def _answer_to(request: Request, way: Way, hop: int, auth: object) -> Reply:
    began, before = perf_counter(), way.phases.before_request() if way.phases else 0.0
    try:
        if isinstance(auth, HttpDigestAuth):
            return await digest.answer_to(request, way, auth, ask)
        if not hop and isinstance(auth, Ntlm):
            return await _introduced(request, way, auth)
        return await ask(request, way)
    except Refused as refused:
        if not hop:
            raise
        raise Failed(f"redirected to a place where checks don't go: {refused}") from refused
    finally:
        if way.phases:
            way.phases.add("first_byte", perf_counter() - began - (way.phases.before_request() - before))


async def ask(request: Request, way: Way) -> Reply:
    """One request. Raises Unsure for one that can't be written, aiohttp's errors."""
    try:
        return await way.session.request(  # type: ignore[return-value]  # the session's response_class
            request.method,
            request.url,
            headers=request.headers,
            data=request.body,
            allow_redirects=False,  # ours: aiohttp would take a monitor's own headers to any host
            skip_auto_headers=CONTENT_TYPE if request.method in WITH_BODY and not request.body else None,
            ssl=way.ssl,
            proxy=way.proxy,
        )
    except aiohttp.ClientError:  # some of them are ValueErrors too
        raise
    except ValueError as error:
        raise Unsure(f"the request can't be written: {error}") from error


async def _introduced(request: Request, way: Way, auth: Ntlm) -> Reply:
    from actors.probes.http import ntlm  # noqa: PLC0415  # an extra

    return await ntlm.answer_to(request, way, auth, ask)


def _onward(request: Request, status: int, location: str) -> Request:
    try:
        return after(request, status, location)
    except ValueError as error:
        raise Failed("redirected to something that is no http address", code=status) from error


def _judged(target: Http, walk: Walk, found: Read, took_s: float) -> Seen:
    status = walk.answer.status
    if found.trouble:
        return Seen(Status.DOWN, status, found.trouble)
    if target.degraded_after is not None and took_s > target.degraded_after:
        return Seen(Status.DEGRADED, status, f"answered in {took_s:.2f} s, later than {target.degraded_after:g} s")
    if walk.leaf and target.check_cert_expiry:
        return unless_it_ends(walk.leaf, target.cert_warning_days, Seen(code=status))
    return Seen(code=status)


def _days(target: Http, leaf: bytes | None) -> int | None:
    """Days until the certificate ends, when an assertion is about them."""
    return days_of(leaf) if any(isinstance(one, CertificateDays) for one in target.assertions) else None


def _detail(walk: Walk, found: Read, way: Way, took_s: float) -> dict[str, Any]:
    """What people see: the answer, the query's hit, and where the time went, as far as it was measured."""
    timings = way.phases.facts(took_s) if way.phases else {"total_ms": round(took_s * 1000, 3)}
    hit = {} if found.value is ABSENT else {"value": shown(found.value)}
    return {**detail_of(walk), **hit, "timings": timings}
