"""Makes the HTTP requests of a sandboxed service with our own session, which obeys the egress policy."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from yarl import URL

from actors.apprise_sandbox.protocol import SandboxHttpRequest, SandboxHttpResponse
from actors.senders.kit.errors import DeliveryError
from actors.senders.kit.http import INVALID_ADDRESS, TEMPORARY_STATUSES, USER_AGENT, is_channel_status, status_line
from actors.senders.kit.network_errors import describe_error
from actors.senders.kit.proxies import PROXY_ERRORS, is_denied
from actors.senders.kit.retry_after import STANDARD, WaitRule, parse_wait
from app.domain.parsing.web_url import parse_url
from app.security.network.egress import EgressDenied

MAX_REQUESTS = 20  # for one message; Matrix, which needs the most, makes about six
RESPONSE_LIMIT_BYTES = 1_000_000  # Matrix lists all rooms in one response
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"})
NOT_A_WEB_ADDRESS = "the service wants to call what is no web address"


@dataclass(frozen=True, slots=True)
class FailedRequest:
    """A failed request. `status` is 0 when there was no response."""

    status: int
    reason: str
    retry_after_s: float | None = None

    def delivery_error(self, detail: str) -> DeliveryError:
        """As in `http.post`: 408, 425, 429, 5xx and network errors are temporary, every other status is permanent."""
        permanent = 0 < self.status < HTTPStatus.INTERNAL_SERVER_ERROR and self.status not in TEMPORARY_STATUSES
        return DeliveryError(
            f"{self.reason}{detail}",
            permanent=permanent,
            retry_after_s=self.retry_after_s,
            channel_level=is_channel_status(self.status),
            endpoint_gone=self.status == HTTPStatus.GONE,
            got_response=self.status > 0,
        )


class SandboxRequests:
    """The requests of one message.

    n_sent          how many were sent
    denied          why the egress policy denied one; final
    last_failure    the newest request, when it failed
    """

    def __init__(self, session: aiohttp.ClientSession, waits: WaitRule = STANDARD) -> None:
        """`waits`: where the service's responses say how long to wait."""
        self._session, self._waits = session, waits
        self.n_sent = 0
        self.denied = ""
        self.last_failure: FailedRequest | None = None

    async def send(self, request: SandboxHttpRequest) -> SandboxHttpResponse:
        """Make a request; errors are returned in the response."""
        if self.denied or self.n_sent >= MAX_REQUESTS:
            return SandboxHttpResponse(error=self.denied or "that is enough of requests for one message")
        self.n_sent += 1
        try:
            return await self._send_checked(request)
        except EgressDenied as error:
            self.denied = str(error)
            return SandboxHttpResponse(error=self.denied)
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, ValueError):
            return self._fail(INVALID_ADDRESS)
        except PROXY_ERRORS as error:
            self.denied = str(error) if is_denied(error) else ""
            return self._fail(str(error))
        except (aiohttp.ClientError, OSError) as error:
            return self._fail(describe_error(error))

    async def _send_checked(self, request: SandboxHttpRequest) -> SandboxHttpResponse:
        url = _checked_url(request)
        if url is None:
            self.denied = NOT_A_WEB_ADDRESS
            return SandboxHttpResponse(error=NOT_A_WEB_ADDRESS)
        headers = {"User-Agent": USER_AGENT} | dict(request.headers) | {"Accept-Encoding": "identity"}
        async with self._session.request(
            request.method,
            url,
            data=request.body or None,
            skip_auto_headers=None if request.body else ("Content-Type",),  # an empty body has no type
            headers=headers,
            allow_redirects=False,
            ssl=request.verify,
        ) as response:
            body = await _read_start(response)
            self._note_response(response.status, response.headers, body)
            return SandboxHttpResponse(response.status, _safe_headers(response), body)

    def _note_response(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        is_success = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
        wait_s = None if is_success else parse_wait(self._waits, status, headers, body)
        self.last_failure = None if is_success else FailedRequest(status, f"answered {status_line(status)}", wait_s)

    def _fail(self, reason: str) -> SandboxHttpResponse:
        self.last_failure = FailedRequest(0, reason)
        return SandboxHttpResponse(error=reason)


def _checked_url(request: SandboxHttpRequest) -> URL | None:
    """The URL of a plain web request; None for anything else. Raises ValueError for an invalid URL."""
    if request.method.upper() not in METHODS or not request.url.lower().startswith(("http://", "https://")):
        return None
    url = parse_url(request.url)
    return url if url.raw_user is None else None


async def _read_start(response: aiohttp.ClientResponse) -> bytes:
    """The body, up to RESPONSE_LIMIT_BYTES."""
    body = b""
    while len(body) < RESPONSE_LIMIT_BYTES and (more := await response.content.read(RESPONSE_LIMIT_BYTES - len(body))):
        body += more
    return body


def _safe_headers(response: aiohttp.ClientResponse) -> list[tuple[str, str]]:
    """The headers, without those that would cause a redirect or decoding."""
    omitted = {"location", "content-encoding", "transfer-encoding", "content-length"}
    return [(str(name), value) for name, value in response.headers.items() if name.lower() not in omitted]
