"""Requests that a caged service wants made: by our own session, whose door asks the policy each time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

import aiohttp
from yarl import URL

from actors.apprise_sandbox.protocol import SandboxHttpRequest, SandboxHttpResponse
from actors.senders.kit.errors import DeliveryError
from actors.senders.kit.http import CHANNEL_STATUSES, TEMPORARY_STATUSES, USER_AGENT, status_line
from actors.senders.kit.network_errors import describe_error
from actors.senders.kit.retry_after import parse_retry_after
from app.domain.parsing.web_url import parse_url
from app.security.network.egress import EgressDenied

MAX_REQUESTS = 20  # requests for one message: Matrix, the most talkative, makes about six
RESPONSE_LIMIT_BYTES = 1_000_000  # Matrix tells a client of its rooms in one answer
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"})
NOT_A_WEB_ADDRESS = "the service wants to call what is no web address"


@dataclass(frozen=True, slots=True)
class FailedRequest:
    """A request that came to nothing: an error's status, or no answer at all (0)."""

    status: int
    reason: str
    retry_after_s: float | None = None

    def delivery_error(self, detail: str) -> DeliveryError:
        """As `post` has it: 408, 425, 429, 5xx and network troubles are temporary, every other status is permanent."""
        permanent = 0 < self.status < HTTPStatus.INTERNAL_SERVER_ERROR and self.status not in TEMPORARY_STATUSES
        return DeliveryError(
            f"{self.reason}{detail}",
            permanent=permanent,
            retry_after_s=self.retry_after_s,
            channel_level=self.status in CHANNEL_STATUSES,
            endpoint_gone=self.status == HTTPStatus.GONE,
            got_response=self.status > 0,
        )


class SandboxRequests:
    """One message's requests.

    made       how many went out
    refused    why the policy let one not out; that is final
    failed     the newest, when it failed
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self.n_sent = 0
        self.denied = ""
        self.last_failure: FailedRequest | None = None

    async def send(self, request: SandboxHttpRequest) -> SandboxHttpResponse:
        """Make the request; what prevents it is part of the answer."""
        if self.denied or self.n_sent >= MAX_REQUESTS:
            return SandboxHttpResponse(error=self.denied or "that is enough of requests for one message")
        self.n_sent += 1
        try:
            return await self._send_checked(request)
        except EgressDenied as error:
            self.denied = str(error)
            return SandboxHttpResponse(error=self.denied)
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, ValueError):
            return self._fail("the address is not one that can be called")
        except (aiohttp.ClientError, OSError) as error:
            return self._fail(describe_error(error))

    async def _send_checked(self, call: SandboxHttpRequest) -> SandboxHttpResponse:
        url = _checked_url(call)
        if url is None:
            self.denied = NOT_A_WEB_ADDRESS
            return SandboxHttpResponse(error=NOT_A_WEB_ADDRESS)
        headers = {"User-Agent": USER_AGENT} | dict(call.headers) | {"Accept-Encoding": "identity"}
        async with self._session.request(
            call.method,
            url,
            data=call.body or None,
            skip_auto_headers=None if call.body else ("Content-Type",),  # of nothing
            headers=headers,
            allow_redirects=False,
            ssl=call.verify,
        ) as answer:
            body = await _read_start(answer)
            self._note_response(answer.status, answer.headers, body)
            return SandboxHttpResponse(answer.status, _safe_headers(answer), body)

    def _note_response(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        good = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
        wait_s = None if good else parse_retry_after(headers.get("Retry-After", ""), body, datetime.now(UTC))
        self.last_failure = None if good else FailedRequest(status, f"answered {status_line(status)}", wait_s)

    def _fail(self, words: str) -> SandboxHttpResponse:
        self.last_failure = FailedRequest(0, words)
        return SandboxHttpResponse(error=words)


def _checked_url(call: SandboxHttpRequest) -> URL | None:
    """The address of a plain web request; None for anything else. Raises ValueError for an address that is none."""
    if call.method.upper() not in METHODS or not call.url.lower().startswith(("http://", "https://")):
        return None
    url = parse_url(call.url)
    return url if url.raw_user is None else None


async def _read_start(answer: aiohttp.ClientResponse) -> bytes:
    """As much of a body as a service may want to read."""
    found = b""
    while len(found) < RESPONSE_LIMIT_BYTES and (more := await answer.content.read(RESPONSE_LIMIT_BYTES - len(found))):
        found += more
    return found


def _safe_headers(answer: aiohttp.ClientResponse) -> list[tuple[str, str]]:
    """The headers, without what would be followed or decoded."""
    kept_back = {"location", "content-encoding", "transfer-encoding", "content-length"}
    return [(str(name), value) for name, value in answer.headers.items() if name.lower() not in kept_back]
