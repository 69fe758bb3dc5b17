"""HTTP for all providers: sends a rendered request and interprets the response."""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from enum import Enum
from http import HTTPStatus

import aiohttp
import msgspec
from msgspec import Struct
from yarl import URL

from actors.senders.kit.errors import DeliveryError, ProviderResponse
from actors.senders.kit.network_errors import describe_error
from actors.senders.kit.proxies import PROXY_ERRORS, proxy_delivery_error
from actors.senders.kit.retry_after import STANDARD, WaitRule, json_object, parse_wait
from app.domain.parsing.web_url import parse_url
from app.security.network.egress import EgressDenied

RESPONSE_LIMIT_BYTES = 16_384  # of a body; enough for an error message
TEMPORARY_STATUSES = frozenset({408, 425, 429})  # and every 5xx: the same message may be accepted later
# Wrong credentials, address or method, or an account that is not paid for: the next message is rejected too.
CHANNEL_STATUSES = frozenset({401, 402, 403, 404, 405, 407, 410, 421, 451})
USER_AGENT = "Watchkeeper"
INVALID_ADDRESS = "the address is not one that can be called"
_CONTROL_CHARS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110, 5.5
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.1
_JSON = msgspec.json.Encoder()

Explain = Callable[[bytes], str]


class ResponseMeaning(Enum):
    """What a response means for the message."""

    ACCEPTED = "accepted"
    RETRY = "retry"  # a retry may help
    REJECTED = "rejected"


Interpret = Callable[[int, bytes], ResponseMeaning]  # a status and the start of a body


class ProviderRequest(Struct, frozen=True):
    """A rendered request; its body holds exactly the bytes that were signed."""

    url: str
    body: bytes
    headers: dict[str, str] = {}
    method: str = "POST"


def json_request(url: str, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> ProviderRequest:
    """Build a request with a compact JSON body."""
    return ProviderRequest(url, _JSON.encode(body), {"Content-Type": "application/json", **(headers or {})})


def login_headers(username: str, password: str, token: str = "") -> dict[str, str]:
    """The header that signs in: by the token, else by user name and password (RFC 7617), else none."""
    if token:
        return {"Authorization": f"Bearer {token}"}
    if username or password:
        return {"Authorization": f"Basic {b64encode(f'{username}:{password}'.encode()).decode()}"}
    return {}


def error_field(*path: str) -> Explain:
    """A reader of the provider's error message at a path of its JSON error body."""

    def read(body: bytes) -> str:
        found: object = json_object(body)
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found if isinstance(found, str) else ""

    return read


def no_explanation(body: bytes) -> str:  # noqa: ARG001  # the signature of Explain
    """Read nothing: the receiver's error body may be an internal page that must not be shown."""
    return ""


def interpret_status(status: int, body: bytes = b"") -> ResponseMeaning:  # noqa: ARG001  # the signature of Interpret
    """The meaning of a status alone: 408, 425, 429 and 5xx are temporary."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return ResponseMeaning.ACCEPTED
    is_temporary = status in TEMPORARY_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return ResponseMeaning.RETRY if is_temporary else ResponseMeaning.REJECTED


def is_channel_status(status: int) -> bool:
    """Whether a status says that the channel is wrong, not the message. Redirects, which are not followed, do."""
    return status in CHANNEL_STATUSES or HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST


async def post(
    request: ProviderRequest,
    session: aiohttp.ClientSession,
    explain: Explain = no_explanation,
    interpret: Interpret | None = None,
    waits: WaitRule = STANDARD,
) -> None:
    """Send once. Redirects are not followed; a 2xx counts as soon as its headers are received.

    interpret    for providers whose status alone does not decide; it gets the start of the body
    waits        where the provider's responses say how long to wait
    raises       DeliveryError: network errors are temporary, responses as `interpret` says; `is_channel_status` says
                 which concern the channel, and `provider_errors.judge` what the provider's own codes say beyond that
    """
    _validate_headers(request.headers)
    address = _request_url(request)
    try:
        async with session.request(
            request.method,
            address,
            data=request.body or None,
            skip_auto_headers=None if request.body else ("Content-Type",),  # an empty body has no type
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"} | request.headers,
            allow_redirects=False,
        ) as response:
            if interpret or interpret_status(response.status) is not ResponseMeaning.ACCEPTED:
                await _check_response(response, explain, interpret or interpret_status, waits)
    except EgressDenied as error:
        raise DeliveryError(str(error), permanent=True, channel_level=True) from error
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise DeliveryError(INVALID_ADDRESS, permanent=True, channel_level=True) from error
    except PROXY_ERRORS as error:
        raise proxy_delivery_error(error) from error
    except (aiohttp.ClientError, OSError) as error:
        raise DeliveryError(describe_error(error)) from error


async def _check_response(
    response: aiohttp.ClientResponse, explain: Explain, interpret: Interpret, waits: WaitRule
) -> None:
    body = await _read_start(response)
    meaning = interpret(response.status, body)
    if meaning is not ResponseMeaning.ACCEPTED:
        wait_s = parse_wait(waits, response.status, response.headers, body)
        raise _rejection(response, body, explain(body), wait_s, permanent=meaning is ResponseMeaning.REJECTED)


def _request_url(request: ProviderRequest) -> URL:
    try:
        return parse_url(request.url)
    except ValueError as error:
        raise DeliveryError(INVALID_ADDRESS, permanent=True, channel_level=True) from error


def _validate_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or _CONTROL_CHARS.search(value):
            reason = "a header's name or value has characters that headers can't have"
            raise DeliveryError(reason, permanent=True, channel_level=True)


async def _read_start(response: aiohttp.ClientResponse) -> bytes:
    """The first bytes of a body; empty when it breaks off."""
    start = b""
    try:
        while (left := RESPONSE_LIMIT_BYTES - len(start)) and (more := await response.content.read(left)):
            start += more
    except aiohttp.ClientError:
        return b""
    finally:
        response.close()
    return start


def _rejection(
    response: aiohttp.ClientResponse, body: bytes, explanation: str, wait_s: float | None, *, permanent: bool
) -> DeliveryError:
    error = DeliveryError(
        f"answered {status_line(response.status)}{f': {explanation}' if explanation else ''}",
        permanent=permanent,
        retry_after_s=wait_s,
        channel_level=is_channel_status(response.status),
        endpoint_gone=response.status == HTTPStatus.GONE,
        got_response=True,
    )
    error.response = ProviderResponse(response.status, body)
    return error


def status_line(status: int) -> str:
    """A status with its phrase."""
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return f"{status}, and redirects are not followed"
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
