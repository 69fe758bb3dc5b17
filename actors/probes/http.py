"""Looks at an HTTP address: its answer, its words, its speed and its certificate."""

import ssl
from datetime import UTC, datetime
from functools import lru_cache
from time import perf_counter
from typing import Any

import aiohttp
from msgspec.structs import replace

from actors.probes.body import text_of
from actors.probes.reply import Reply
from actors.probes.request import REDIRECTS, Request, after, first
from actors.probes.seen import Failed, Seen, Unsure
from actors.probes.tools import Asked
from actors.probes.trouble import of_system, of_tls
from app.security.egress import Refused
from schema.messages import text_of as words_for
from schema.status import Status
from schema.targets import Http

HEADERS_KEPT, VALUE_KEPT = 40, 300  # of an answer's headers, in a detail
SECRET_HEADERS = frozenset({"set-cookie", "set-cookie2", "authentication-info"})


async def probe(target: Http, asked: Asked) -> Seen:
    """Ask, follow redirects, judge the last answer."""
    try:
        return await _look(target, asked)
    except aiohttp.ClientError as error:
        raise _meaning(error) from error


async def _look(target: Http, asked: Asked) -> Seen:
    began = perf_counter()
    answer, leaf = await _followed(target, asked)
    try:
        trouble = await _trouble_with(target, answer)
    finally:
        answer.close()
    seen = _judged(target, answer.status, trouble, perf_counter() - began)
    if leaf and target.check_cert_expiry and seen.status is Status.UP:
        seen = _unless_it_ends(leaf, target.cert_warning_days, seen)
    if asked.detailed or seen.status is not Status.UP:
        return replace(seen, detail=_detail(answer, leaf))
    return seen


async def _followed(target: Http, asked: Asked) -> tuple[Reply, bytes | None]:
    """The last answer, and the certificate of the first address that has one."""
    try:
        request = first(target)
    except ValueError as error:
        raise Unsure(f"the address can't be asked: {error}") from error
    leaf = None
    for hop in range(target.max_redirects + 1):
        answer = await _answer_to(request, target, asked, hop)
        leaf = leaf or answer.certificate
        location = answer.headers.get("Location") if answer.status in REDIRECTS else None
        if not location or not target.max_redirects:
            return answer, leaf
        answer.close()
        request = _onward(request, answer.status, location)
    raise Failed(f"more than {target.max_redirects} redirects", code=answer.status)


async def _answer_to(request: Request, target: Http, asked: Asked, hop: int) -> Reply:
    try:
        return await asked.tools.http.request(  # type: ignore[return-value]  # the session's response_class
            request.method,
            request.url,
            headers=request.headers,
            data=request.body,
            allow_redirects=False,  # ours: aiohttp would take a monitor's own headers to any host
            ssl=not target.ignore_tls_errors,
        )
    except Refused as refused:
        if not hop:
            raise
        raise Failed(f"redirected to a place where checks don't go: {refused}") from refused
    except aiohttp.ClientError:  # some of them are ValueErrors too
        raise
    except ValueError as error:
        raise Unsure(f"the request can't be written: {error}") from error


def _onward(request: Request, status: int, location: str) -> Request:
    try:
        return after(request, status, location)
    except ValueError as error:
        raise Failed("redirected to something that is no http address", code=status) from error


async def _trouble_with(target: Http, answer: Reply) -> str:
    """What is wrong with status or words; empty when nothing is. The body is read only where words are asked for."""
    if answer.status not in accepted(tuple(target.accepted_statuscodes)):
        return f"{words_for(answer.status)}, expected {', '.join(target.accepted_statuscodes)}"
    if not target.keyword or (target.keyword in await text_of(answer)) is not target.invert_keyword:
        return ""
    return f"the keyword {target.keyword[:80]!r} is {'' if target.invert_keyword else 'not '}in the body"


@lru_cache(maxsize=1_024)
def accepted(codes: tuple[str, ...]) -> frozenset[int]:
    """Every status that these codes (204), classes (2XX) and ranges (200-299) mean."""
    found: set[int] = set()
    for code in codes:
        least, _, most = code.upper().replace("XX", "00").partition("-")
        end = int(most or least) + (99 if "X" in code.upper() else 0)
        found.update(range(int(least), end + 1))
    return frozenset(found)


def _judged(target: Http, status: int, trouble: str, took_s: float) -> Seen:
    if trouble:
        return Seen(Status.DOWN, status, trouble)
    if target.degraded_after is not None and took_s > target.degraded_after:
        return Seen(Status.DEGRADED, status, f"answered in {took_s:.2f} s, later than {target.degraded_after:g} s")
    return Seen(code=status)


def _unless_it_ends(leaf: bytes, warning_days: int, otherwise: Seen) -> Seen:
    from actors.probes.certificate import certificate_of  # noqa: PLC0415 - a library that most checks never need

    try:
        days = certificate_of(leaf).days_left(datetime.now(UTC))
    except ValueError:
        return Seen(Status.DEGRADED, otherwise.code, "the certificate can't be read")
    if days >= warning_days:
        return otherwise
    return Seen(
        Status.DEGRADED,
        otherwise.code,
        f"the certificate ends in {days} days" if days >= 0 else "the certificate has ended",
    )


def _detail(answer: Reply, leaf: bytes | None) -> dict[str, Any]:
    """Status, headers and certificate, bounded, without what a session could be taken over with."""
    headers = {
        name: "********" if name.lower() in SECRET_HEADERS else value[:VALUE_KEPT]
        for name, value in list(answer.headers.items())[:HEADERS_KEPT]
    }
    detail: dict[str, Any] = {"status_code": answer.status, "headers": headers}
    return detail | ({"certificate": _facts(leaf)} if leaf else {})


def _facts(leaf: bytes) -> dict[str, Any]:
    from actors.probes.certificate import certificate_of  # noqa: PLC0415 - as above

    try:
        return certificate_of(leaf).facts(datetime.now(UTC))
    except ValueError:
        return {"error": "the certificate can't be read"}


def _meaning(error: aiohttp.ClientError) -> Failed | Unsure:
    """What aiohttp's error says of the target, in our words: its own may hold the address."""
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


def _not_http(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection was closed without an answer"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the body broke off"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"the answer is not HTTP as it should be: {error.message.split(':', 1)[0][:120]}"
    return f"the request failed ({type(error).__name__})"
