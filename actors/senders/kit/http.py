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

from actors.senders.kit.errors import Undelivered
from actors.senders.kit.network_errors import trouble
from actors.senders.kit.retry_after import json_of, waited_for
from app.domain.parsing.web_url import web_url
from app.security.network.egress import Refused

ANSWER_LIMIT_BYTES = 16_384  # of a body; what explains an error fits, what wants our memory does not
TEMPORARY = frozenset({408, 425, 429})  # and every 5xx: the same message may be taken later
OF_THE_CHANNEL = frozenset({401, 403, 404, 410})  # who we are or where it is: the next message is refused as well
USER_AGENT = "Watchkeeper"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.1
_JSON = msgspec.json.Encoder()

Explain = Callable[[bytes], str]


class Verdict(Enum):
    """What an answer means for the message."""

    TAKEN = "taken"
    LATER = "later"  # trying again may help
    NEVER = "never"


Judge = Callable[[int, bytes], Verdict]  # of a status and the beginning of a body


class Request(Struct, frozen=True):
    """A request, ready to go: its bytes are the ones that were signed."""

    url: str
    body: bytes
    headers: dict[str, str] = {}
    method: str = "POST"


def json_request(url: str, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> Request:
    """A request whose body is compact JSON."""
    return Request(url, _JSON.encode(body), {"Content-Type": "application/json", **(headers or {})})


def field_of(*path: str) -> Explain:
    """Reads the provider's own words from that field of a JSON error; of an object in it, when the path is longer."""

    def said(body: bytes) -> str:
        found: object = json_of(body)
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found if isinstance(found, str) else ""

    return said


def nothing_said(body: bytes) -> str:  # noqa: ARG001  # an Explain
    """For receivers whose error bodies are nobody's business: they may be pages of somebody's network."""
    return ""


def by_status(status: int, body: bytes = b"") -> Verdict:  # noqa: ARG001  # a Judge
    """What a status means by itself: 408, 425, 429 and 5xx are temporary."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Verdict.TAKEN
    return Verdict.LATER if status in TEMPORARY or status >= HTTPStatus.INTERNAL_SERVER_ERROR else Verdict.NEVER


async def post(
    request: Request, session: aiohttp.ClientSession, explain: Explain = nothing_said, judge: Judge | None = None
) -> None:
    """Send once; redirects are not followed, and a 2xx counts as soon as its head is here.

    judge     for providers whose status does not say all; the body is read before it is asked
    raises    Undelivered: network troubles are temporary, answers as `by_status` or the judge says; 401, 403, 404 and
              410 speak of the channel
    """
    _refuse_bad_headers(request.headers)
    address = _address_of(request)
    try:
        async with session.request(
            request.method,
            address,
            data=request.body or None,
            skip_auto_headers=None if request.body else ("Content-Type",),  # of nothing
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"} | request.headers,
            allow_redirects=False,
        ) as answer:
            if judge or by_status(answer.status) is not Verdict.TAKEN:
                await _read(answer, explain, judge or by_status)
    except Refused as error:
        raise Undelivered(str(error), permanent=True) from error
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise Undelivered("the address is not one that can be called", permanent=True) from error
    except (aiohttp.ClientError, OSError) as error:
        raise Undelivered(trouble(error)) from error


async def _read(answer: aiohttp.ClientResponse, explain: Explain, judge: Judge) -> None:
    body = await _start_of(answer)
    verdict = judge(answer.status, body)
    if verdict is not Verdict.TAKEN:
        raise _refused(answer, body, explain(body), permanent=verdict is Verdict.NEVER)


def _address_of(request: Request) -> URL:
    try:
        return web_url(request.url)
    except ValueError as error:
        raise Undelivered("the address is not one that can be called", permanent=True) from error


def _refuse_bad_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or re.search(r"[\r\n\0]", value):
            raise Undelivered("a header's name or value has characters that headers can't have", permanent=True)


async def _start_of(answer: aiohttp.ClientResponse) -> bytes:
    """The first bytes of a body; one that breaks off is as good as none."""
    start = b""
    try:
        while len(start) < ANSWER_LIMIT_BYTES and (more := await answer.content.read(ANSWER_LIMIT_BYTES - len(start))):
            start += more
    except aiohttp.ClientError:
        return b""
    finally:
        answer.close()
    return start


def _refused(answer: aiohttp.ClientResponse, body: bytes, said: str, *, permanent: bool) -> Undelivered:
    return Undelivered(
        f"answered {status_line(answer.status)}{f': {said}' if said else ''}",
        permanent=permanent,
        retry_after_s=waited_for(answer.headers.get("Retry-After", ""), body, datetime.now(UTC)),
        channel=answer.status in OF_THE_CHANNEL,
        gone=answer.status == HTTPStatus.GONE,
        answered=True,
    )


def status_line(status: int) -> str:
    """A status and what it is called."""
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return f"{status}, and redirects are not followed"
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
