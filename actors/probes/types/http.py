"""Checks an HTTP URL: its response, its content, its speed and its certificate."""

from time import perf_counter
from typing import Any

import aiohttp
from msgspec.structs import replace

from actors.probes.http import oauth
from actors.probes.http.details import RedirectTrace, certificate_days_left, degrade_if_expiring, response_detail
from actors.probes.http.expectations import ExpectationResult, check_expectations
from actors.probes.http.redirects import follow_redirects
from actors.probes.http.request import (
    initial_request,
    with_header,
)
from actors.probes.http.session import ConnectionOptions, HttpSession, open_session
from actors.probes.kit.context import RunningCheck
from actors.probes.kit.errors import classify_http_error
from actors.probes.kit.result import CheckInconclusive, ProbeResult
from actors.probes.kit.values import to_detail
from app.domain.parsing.values import ABSENT
from schema.assertions import CertificateDays
from schema.status import Status
from schema.targets import Http
from schema.targets.http import IpFamily, Ntlm, OAuth2


async def probe(target: Http, check: RunningCheck) -> ProbeResult:
    """Send the request, follow redirects, evaluate the last response."""
    try:
        if not check.detailed and uses_shared_session(target):
            return await _check(target, check, HttpSession(check.context.http, not target.ignore_tls_errors))
        async with open_session(connection_options(target), check) as session:
            return await _check(target, check, session)
    except aiohttp.ClientError as error:
        raise classify_http_error(error) from error


def uses_shared_session(target: Http) -> bool:
    """Whether the target needs no session of its own."""
    return not (
        target.proxy_id
        or target.tls_cert
        or target.tls_ca
        or target.resolver_server
        or target.ip_family is not IpFamily.ANY
        or isinstance(target.auth, Ntlm)
    )


def connection_options(target: Http) -> ConnectionOptions:
    """How the monitor wants to connect."""
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


async def _check(target: Http, check: RunningCheck, session: HttpSession) -> ProbeResult:
    began = perf_counter()
    trace = await _request_target(target, check, session)
    try:
        expectation = await check_expectations(target, trace.response)
    finally:
        trace.response.close()
    took_s = perf_counter() - began
    if target.check_cert_expiry:
        certificate_days_left(trace.leaf)  # for the expiry notice, whatever the response is
    result = _evaluate(target, trace, expectation, took_s)
    if target.assertions:
        result = replace(result, value=expectation.value, certificate_days=_certificate_days(target, trace.leaf))
    if check.detailed or result.status is not Status.UP:
        return replace(result, detail=_detail(trace, expectation, session, took_s))
    return result


async def _request_target(target: Http, check: RunningCheck, session: HttpSession) -> RedirectTrace:
    try:
        request = initial_request(target)
    except ValueError as error:
        raise CheckInconclusive(f"the address can't be asked: {error}") from error
    if isinstance(target.auth, OAuth2):
        token = await oauth.get_token(target.auth, check, connection_options(target))
        request = with_header(request, "Authorization", f"Bearer {token}")
    trace = await follow_redirects(request, target.max_redirects, session, target.auth)
    if isinstance(target.auth, OAuth2) and trace.response.status == 401:  # noqa: PLR2004  # Unauthorized
        oauth.forget_token(target.auth, check)
    return trace


def _evaluate(target: Http, trace: RedirectTrace, expectation: ExpectationResult, took_s: float) -> ProbeResult:
    status = trace.response.status
    if expectation.failure:
        return ProbeResult(Status.DOWN, status, expectation.failure)
    if target.degraded_after is not None and took_s > target.degraded_after:
        return ProbeResult(
            Status.DEGRADED, status, f"answered in {took_s:.2f} s, later than {target.degraded_after:g} s"
        )
    if trace.leaf and target.check_cert_expiry:
        return degrade_if_expiring(trace.leaf, target.cert_warning_days, ProbeResult(code=status))
    return ProbeResult(code=status)


def _certificate_days(target: Http, leaf: bytes | None) -> int | None:
    """Days until the certificate expires, when an assertion needs them."""
    return certificate_days_left(leaf) if any(isinstance(one, CertificateDays) for one in target.assertions) else None


def _detail(
    trace: RedirectTrace, expectation: ExpectationResult, session: HttpSession, took_s: float
) -> dict[str, Any]:
    """The response, the query's value, and the timings as far as they were measured."""
    timings = session.timings.facts(took_s) if session.timings else {"total_ms": round(took_s * 1000, 3)}
    hit = {} if expectation.value is ABSENT else {"value": to_detail(expectation.value)}
    return {**response_detail(trace), **hit, "timings": timings}
