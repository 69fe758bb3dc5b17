"""Looks at a website as document 002 does: one right status, and words that should be there or should not."""

from typing import Any

import aiohttp
from msgspec import Struct

from actors.probes.http.details import Walk, days_of, headers_of
from actors.probes.http.errors import of_web
from actors.probes.http.request import Request, basic
from actors.probes.http.session import Way, Wishes, opened
from actors.probes.kit.bounded_body import Body
from actors.probes.kit.context import Asked
from actors.probes.kit.result import Failed, Seen, Unsure
from actors.probes.types.http import walked
from app.domain.parsing.web_url import web_url
from schema.assertions import CertificateDays
from schema.heartbeat_texts import text_of as words_for
from schema.status import Status
from schema.targets import Website

MOST_REDIRECTS = 10
SHOWN = 80  # characters of what is looked for, in a sentence
SIZE_S = 2.0  # that a page which decides nothing is read for, so that its size can be shown


class Page(Struct, frozen=True):
    """What came, read as far as anybody wants it; at most a megabyte."""

    walk: Walk
    size: int
    issues: list[str]


async def probe(target: Website, asked: Asked) -> Seen:
    """Ask, read the page, judge it."""
    try:
        if not (asked.detailed or target.proxy_id or target.tls_cert or target.tls_ca):
            return await _look(target, asked, Way(asked.tools.http, target.verify_ssl))
        async with opened(_wishes_of(target), asked) as way:
            return await _look(target, asked, way)
    except aiohttp.ClientError as error:
        raise _told(of_web(error), error) from error
    except Failed as failed:
        raise _told(failed, failed) from failed


def _wishes_of(target: Website) -> Wishes:
    return Wishes(
        ignore_tls_errors=not target.verify_ssl,
        tls_cert=target.tls_cert,
        tls_key=target.tls_key,
        tls_ca=target.tls_ca,
        proxied=bool(target.proxy_id),
    )


async def _look(target: Website, asked: Asked, way: Way) -> Seen:
    page = await _page(target, way, detailed=asked.detailed)
    seen = _judged(target, page)
    if asked.detailed or seen.status is not Status.UP:
        return Seen(seen.status, seen.code, seen.message, _detail(target, page), certificate_days=_days(target, page))
    return Seen(code=seen.code, certificate_days=_days(target, page))


async def _page(target: Website, way: Way, *, detailed: bool) -> Page:
    walk = await walked(_request(target), MOST_REDIRECTS if target.follow_redirects else 0, way)
    try:
        body = Body(walk.answer)
        issues = await _issues(target, body, decided=walk.answer.status != target.expected_status, detailed=detailed)
    finally:
        walk.answer.close()
    return Page(walk, len(body.raw), issues)


async def _issues(target: Website, body: Body, *, decided: bool, detailed: bool) -> list[str]:
    """What is wrong with the page's words, which are read as far as they decide, or somebody wants to see them.

    decided    by the status, whatever they are
    """
    looked_for = target.expected_content or target.unexpected_content
    if decided or (detailed and not looked_for):
        await body.read_for(SIZE_S)
        return issues_with(target, await body.text()) if looked_for else []
    if not looked_for:
        return []
    if target.unexpected_content:
        await body.read()
        return issues_with(target, await body.text())

    async def is_enough(text: str) -> bool:
        return target.expected_content in text

    return issues_with(target, await body.read_until(is_enough))


def _request(target: Website) -> Request:
    own = basic(target.auth_username, target.auth_password) if target.auth_username else {}
    try:
        url = web_url(target.url)
    except ValueError as error:
        raise Unsure(f"the address can't be asked: {error}") from error
    return Request(target.method.value, url, {**target.headers, **own} or None, target.body.encode() or None)


def issues_with(target: Website, text: str) -> list[str]:
    """What the page's words lack, or have too much of. Pure."""
    issues = []
    if target.expected_content and target.expected_content not in text:
        issues.append(f"the expected content {target.expected_content[:SHOWN]!r} is not in the page")
    if target.unexpected_content and target.unexpected_content in text:
        issues.append(f"the unexpected content {target.unexpected_content[:SHOWN]!r} is in the page")
    return issues


def _judged(target: Website, page: Page) -> Seen:
    status = page.walk.answer.status
    if status != target.expected_status:
        return Seen(Status.DOWN, status, f"{words_for(status)}, expected {target.expected_status}")
    if page.issues:
        return Seen(Status.DEGRADED, status, "; ".join(page.issues))
    return Seen(code=status)


def _days(target: Website, page: Page) -> int | None:
    """Days until the certificate ends, when an assertion is about them."""
    wanted = any(isinstance(one, CertificateDays) for one in target.assertions)
    return days_of(page.walk.leaf) if wanted else None


def _detail(target: Website, page: Page) -> dict[str, Any]:
    """Document 002's raw data."""
    answer = page.walk.answer
    return {
        "url": str(answer.url),
        "status_code": answer.status,
        "expected_status": target.expected_status,
        "status_match": answer.status == target.expected_status,
        "content_match": not page.issues,
        "content_issues": page.issues,
        "response_headers": headers_of(answer),
        "response_size": page.size,
        "redirect_history": page.walk.hops,
    }


def _told(trouble: Failed | Unsure, error: Exception) -> Failed | Unsure:
    """Document 002's raw data of a failure."""
    if isinstance(trouble, Unsure):
        return trouble
    detail = {"error": str(trouble), "error_type": type(error).__name__}
    return Failed(str(trouble), code=trouble.code, detail=trouble.detail or detail)
