"""The one HTTP poster: sends a rendered request, and reads what the answer means."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from http import HTTPStatus

import aiohttp
import msgspec
from msgspec import Struct
from yarl import URL

from actors.senders.kit.errors import DeliveryError
from actors.senders.kit.network_errors import describe_error
from actors.senders.kit.retry_after import json_object, parse_retry_after
from app.domain.parsing.web_url import parse_url
from app.security.network.egress import EgressDenied

RESPONSE_LIMIT_BYTES = 16_384  # of a body; what explains an error fits, what wants our memory does not
TEMPORARY_STATUSES = frozenset({408, 425, 429})  # and every 5xx: the same message may be taken later
CHANNEL_STATUSES = frozenset({401, 403, 404, 410})  # who we are or where it is: the next message is refused as well
USER_AGENT = "Watchkeeper"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.1
_JSON = msgspec.json.Encoder()

Explain = Callable[[bytes], str]


class ResponseMeaning(Enum):
    """What an answer means for the message."""

    ACCEPTED = "taken"
    RETRY = "later"  # trying again may help
    REJECTED = "never"


Interpret = Callable[[int, bytes], ResponseMeaning]  # of a status and the beginning of a body


class ProviderRequest(Struct, frozen=True):
    """A request, ready to go: its bytes are the ones that were signed."""

    url: str
    body: bytes
    headers: dict[str, str] = {}
    method: str = "POST"


def json_request(url: str, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> ProviderRequest:
    """A request whose body is compact JSON."""
    return ProviderRequest(url, _JSON.encode(body), {"Content-Type": "application/json", **(headers or {})})


def error_field(*path: str) -> Explain:
    """Reads the provider's own words from that field of a JSON error; of an object in it, when the path is longer."""

    def said(body: bytes) -> str:
        found: object = json_object(body)
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found if isinstance(found, str) else ""

    return said


def no_explanation(body: bytes) -> str:  # noqa: ARG001  # an Explain
    """For receivers whose error bodies are nobody's business: they may be pages of somebody's network."""
    return ""


def interpret_status(status: int, body: bytes = b"") -> ResponseMeaning:  # noqa: ARG001  # a Judge
    """What a status means by itself: 408, 425, 429 and 5xx are temporary."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return ResponseMeaning.ACCEPTED
    return (
        ResponseMeaning.RETRY
        if status in TEMPORARY_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        else ResponseMeaning.REJECTED
    )


async def post(
    request: ProviderRequest,
    session: aiohttp.ClientSession,
    explain: Explain = no_explanation,
    interpret: Interpret | None = None,
) -> None:
    """Send once; redirects are not followed, and a 2xx counts as soon as its head is here.

    judge     for providers whose status does not say all; the body is read before it is asked
    raises    Undelivered: network troubles are temporary, answers as `by_status` or the judge says; 401, 403, 404 and
              410 speak of the channel
    """
    _validate_headers(request.headers)
    address = _request_url(request)
    try:
        async with session.request(
            request.method,
            address,
            data=request.body or None,
            skip_auto_headers=None if request.body else ("Content-Type",),  # of nothing
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"} | request.headers,
            allow_redirects=False,
        ) as answer:
            if interpret or interpret_status(answer.status) is not ResponseMeaning.ACCEPTED:
                await _check_response(answer, explain, interpret or interpret_status)
    except EgressDenied as error:
        raise DeliveryError(str(error), permanent=True) from error
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise DeliveryError("the address is not one that can be called", permanent=True) from error
    except (aiohttp.ClientError, OSError) as error:
        raise DeliveryError(describe_error(error)) from error


async def _check_response(answer: aiohttp.ClientResponse, explain: Explain, judge: Interpret) -> None:
    body = await _read_start(answer)
    verdict = judge(answer.status, body)
    if verdict is not ResponseMeaning.ACCEPTED:
        raise _rejection(answer, body, explain(body), permanent=verdict is ResponseMeaning.REJECTED)


def _request_url(request: ProviderRequest) -> URL:
    try:
        return parse_url(request.url)
    except ValueError as error:
        raise DeliveryError("the address is not one that can be called", permanent=True) from error


def _validate_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or re.search(r"[\r\n\0]", value):
            raise DeliveryError("a header's name or value has characters that headers can't have", permanent=True)


async def _read_start(answer: aiohttp.ClientResponse) -> bytes:
    """The first bytes of a body; one that breaks off is as good as none."""
    start = b""
    try:
        while len(start) < RESPONSE_LIMIT_BYTES and (
            more := await answer.content.read(RESPONSE_LIMIT_BYTES - len(start))
        ):
            start += more
    except aiohttp.ClientError:
        return b""
    finally:
        answer.close()
    return start


def _rejection(answer: aiohttp.ClientResponse, body: bytes, said: str, *, permanent: bool) -> DeliveryError:
    return DeliveryError(
        f"answered {status_line(answer.status)}{f': {said}' if said else ''}",
        permanent=permanent,
        retry_after_s=parse_retry_after(answer.headers.get("Retry-After", ""), body, datetime.now(UTC)),
        channel_level=answer.status in CHANNEL_STATUSES,
        endpoint_gone=answer.status == HTTPStatus.GONE,
        got_response=True,
    )


def status_line(status: int) -> str:
    """A status and what it is called."""
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return f"{status}, and redirects are not followed"
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
