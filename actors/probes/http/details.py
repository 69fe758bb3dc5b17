"""What people want to see of an HTTP answer: status, headers, certificate; bounded, without what opens a session."""

from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from actors.probes.kit import expiring
from actors.probes.kit.http_response import Reply
from actors.probes.kit.result import Seen
from schema.status import Status

HEADERS_KEPT, VALUE_KEPT = 40, 300  # of an answer's headers, in a detail
SECRET_HEADERS = frozenset({"set-cookie", "set-cookie2", "authentication-info"})


class Walk(Struct, frozen=True):
    """Where redirects led: the last answer, the certificate of the first address that has one, the places between."""

    answer: Reply
    leaf: bytes | None
    hops: list[str]


def headers_of(answer: Reply) -> dict[str, str]:
    """The answer's headers, without what a session could be taken over with."""
    return {
        name: "********" if name.lower() in SECRET_HEADERS else value[:VALUE_KEPT]
        for name, value in list(answer.headers.items())[:HEADERS_KEPT]
    }


def detail_of(walk: Walk) -> dict[str, Any]:
    """Status, headers and certificate."""
    detail: dict[str, Any] = {"status_code": walk.answer.status, "headers": headers_of(walk.answer)}
    return detail | ({"certificate": _facts(walk.leaf)} if walk.leaf else {})


def days_of(leaf: bytes | None) -> int | None:
    """Days until the certificate ends; None without one, or when it can't be read."""
    from actors.probes.kit.certificate import certificate_of  # noqa: PLC0415  # a library that most checks never need

    try:
        return expiring.certificate(certificate_of(leaf)).days_left(datetime.now(UTC)) if leaf else None
    except ValueError:
        return None


def unless_it_ends(leaf: bytes, warning_days: int, otherwise: Seen) -> Seen:
    """DEGRADED when the certificate ends soon."""
    days = days_of(leaf)
    if days is None:
        return Seen(Status.DEGRADED, otherwise.code, "the certificate can't be read")
    if days >= warning_days:
        return otherwise
    words = f"the certificate ends in {days} days" if days >= 0 else "the certificate has ended"
    return Seen(Status.DEGRADED, otherwise.code, words)


def _facts(leaf: bytes) -> dict[str, Any]:
    from actors.probes.kit.certificate import certificate_of  # noqa: PLC0415  # a library that most checks never need

    try:
        return certificate_of(leaf).facts(datetime.now(UTC))
    except ValueError:
        return {"error": "the certificate can't be read"}
