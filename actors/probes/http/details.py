"""The detail of an HTTP result: status, headers, certificate; bounded, without session secrets."""

from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from actors.probes.kit import expiring
from actors.probes.kit.http_response import HttpProbeResponse
from actors.probes.kit.result import ProbeResult
from schema.status import Status

MAX_HEADERS, MAX_VALUE_CHARS = 40, 300  # of a response's headers, in a detail
SECRET_HEADERS = frozenset({"set-cookie", "set-cookie2", "authentication-info"})


class RedirectTrace(Struct, frozen=True):
    """A chain of redirects: the last response, the certificate of the first address that has one, the URLs between."""

    response: HttpProbeResponse
    leaf: bytes | None
    hops: list[str]


def visible_headers(response: HttpProbeResponse) -> dict[str, str]:
    """The response's headers, with those masked that would allow a session to be taken over."""
    return {
        name: "********" if name.lower() in SECRET_HEADERS else value[:MAX_VALUE_CHARS]
        for name, value in list(response.headers.items())[:MAX_HEADERS]
    }


def response_detail(trace: RedirectTrace) -> dict[str, Any]:
    """Status, headers and certificate."""
    detail: dict[str, Any] = {"status_code": trace.response.status, "headers": visible_headers(trace.response)}
    return detail | ({"certificate": _certificate_facts(trace.leaf)} if trace.leaf else {})


def certificate_days_left(leaf: bytes | None) -> int | None:
    """Days until the certificate expires; None without one, or when it can't be read."""
    from actors.probes.kit.certificate import parse_certificate  # noqa: PLC0415  # most checks never need it

    try:
        return expiring.record_certificate(parse_certificate(leaf)).days_left(datetime.now(UTC)) if leaf else None
    except ValueError:
        return None


def degrade_if_expiring(leaf: bytes, warning_days: int, result: ProbeResult) -> ProbeResult:
    """DEGRADED when the certificate expires soon, else the result as it is."""
    days = certificate_days_left(leaf)
    if days is None:
        return ProbeResult(Status.DEGRADED, result.code, "the certificate can't be read")
    if days >= warning_days:
        return result
    message = f"the certificate ends in {days} days" if days >= 0 else "the certificate has ended"
    return ProbeResult(Status.DEGRADED, result.code, message)


def _certificate_facts(leaf: bytes) -> dict[str, Any]:
    from actors.probes.kit.certificate import parse_certificate  # noqa: PLC0415  # most checks never need it

    try:
        return parse_certificate(leaf).facts(datetime.now(UTC))
    except ValueError:
        return {"error": "the certificate can't be read"}
