"""Checks a website as document 002 does: one expected status, and text that must or must not be there."""

from typing import Any

import aiohttp
from msgspec import Struct

from actors.probes.http.details import RedirectTrace, certificate_days_left, visible_headers
from actors.probes.http.redirects import follow_redirects
from actors.probes.http.request import HttpRequest, basic_auth_header
from actors.probes.http.session import ConnectionOptions, HttpSession, open_session
from actors.probes.kit.bounded_body import BoundedBody
from actors.probes.kit.context import RunningCheck
from actors.probes.kit.errors import classify_http_error
from actors.probes.kit.result import CheckInconclusive, ProbeResult, TargetFailed
from app.domain.parsing.web_url import parse_url
from schema.assertions import CertificateDays
from schema.heartbeat_texts import heartbeat_text
from schema.status import Status
from schema.targets import Website

MAX_REDIRECTS = 10
SHOWN_CHARS = 80  # of the expected text, in a message
SIZE_S = 2.0  # spent reading a page only to show its size


class Page(Struct, frozen=True):
    """The response, read as far as needed; at most a megabyte."""

    trace: RedirectTrace
    size: int
    issues: list[str]


async def probe(target: Website, check: RunningCheck) -> ProbeResult:
    """Send the request, read the page, evaluate it."""
    try:
        if not (check.detailed or target.proxy_id or target.tls_cert or target.tls_ca):
            return await _check(target, check, HttpSession(check.context.http, target.verify_ssl))
        async with open_session(_connection_options(target), check) as session:
            return await _check(target, check, session)
    except aiohttp.ClientError as error:
        raise _with_detail(classify_http_error(error), error) from error
    except TargetFailed as failure:
        raise _with_detail(failure, failure) from failure


def _connection_options(target: Website) -> ConnectionOptions:
    return ConnectionOptions(
        ignore_tls_errors=not target.verify_ssl,
        tls_cert=target.tls_cert,
        tls_key=target.tls_key,
        tls_ca=target.tls_ca,
        use_proxy=bool(target.proxy_id),
    )


async def _check(target: Website, check: RunningCheck, session: HttpSession) -> ProbeResult:
    page = await _fetch_page(target, session, detailed=check.detailed)
    result = _evaluate(target, page)
    if check.detailed or result.status is not Status.UP:
        return ProbeResult(
            result.status,
            result.code,
            result.message,
            _detail(target, page),
            certificate_days=_certificate_days(target, page),
        )
    return ProbeResult(code=result.code, certificate_days=_certificate_days(target, page))


async def _fetch_page(target: Website, session: HttpSession, *, detailed: bool) -> Page:
    trace = await follow_redirects(_build_request(target), MAX_REDIRECTS if target.follow_redirects else 0, session)
    try:
        body = BoundedBody(trace.response)
        issues = await _read_issues(
            target, body, decided=trace.response.status != target.expected_status, detailed=detailed
        )
    finally:
        trace.response.close()
    return Page(trace, len(body.raw), issues)


async def _read_issues(target: Website, body: BoundedBody, *, decided: bool, detailed: bool) -> list[str]:
    """The content issues; the page is read as far as they are decided, or a person wants its size.

    decided    the status has already failed
    """
    looked_for = target.expected_content or target.unexpected_content
    if decided or (detailed and not looked_for):
        await body.read_for(SIZE_S)
        return content_issues(target, await body.text()) if looked_for else []
    if not looked_for:
        return []
    if target.unexpected_content:
        await body.read()
        return content_issues(target, await body.text())

    async def is_enough(text: str) -> bool:
        return target.expected_content in text

    return content_issues(target, await body.read_until(is_enough))


def _build_request(target: Website) -> HttpRequest:
    auth_headers = basic_auth_header(target.auth_username, target.auth_password) if target.auth_username else {}
    try:
        url = parse_url(target.url)
    except ValueError as error:
        raise CheckInconclusive(f"the address can't be asked: {error}") from error
    return HttpRequest(
        target.method.value, url, {**target.headers, **auth_headers} or None, target.body.encode() or None
    )


def content_issues(target: Website, text: str) -> list[str]:
    """Expected text that is missing, and unexpected text that is there. Pure."""
    issues = []
    if target.expected_content and target.expected_content not in text:
        issues.append(f"the expected content {target.expected_content[:SHOWN_CHARS]!r} is not in the page")
    if target.unexpected_content and target.unexpected_content in text:
        issues.append(f"the unexpected content {target.unexpected_content[:SHOWN_CHARS]!r} is in the page")
    return issues


def _evaluate(target: Website, page: Page) -> ProbeResult:
    status = page.trace.response.status
    if status != target.expected_status:
        return ProbeResult(Status.DOWN, status, f"{heartbeat_text(status)}, expected {target.expected_status}")
    if page.issues:
        return ProbeResult(Status.DEGRADED, status, "; ".join(page.issues))
    return ProbeResult(code=status)


def _certificate_days(target: Website, page: Page) -> int | None:
    """Days until the certificate expires, when an assertion needs them."""
    is_asserted = any(isinstance(one, CertificateDays) for one in target.assertions)
    return certificate_days_left(page.trace.leaf) if is_asserted else None


def _detail(target: Website, page: Page) -> dict[str, Any]:
    """Document 002's raw data."""
    response = page.trace.response
    return {
        "url": str(response.url),
        "status_code": response.status,
        "expected_status": target.expected_status,
        "status_match": response.status == target.expected_status,
        "content_match": not page.issues,
        "content_issues": page.issues,
        "response_headers": visible_headers(response),
        "response_size": page.size,
        "redirect_history": page.trace.hops,
    }


def _with_detail(failure: TargetFailed | CheckInconclusive, error: Exception) -> TargetFailed | CheckInconclusive:
    """The failure with document 002's raw data."""
    if isinstance(failure, CheckInconclusive):
        return failure
    detail = {"error": str(failure), "error_type": type(error).__name__}
    return TargetFailed(str(failure), code=failure.code, detail=failure.detail or detail)
