"""Requests that a caged service wants made: by our own session, whose door asks the policy each time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

import aiohttp
from yarl import URL

from actors.apprise_sandbox.protocol import Answer, Call
from actors.senders.kit.errors import Undelivered
from actors.senders.kit.http import OF_THE_CHANNEL, TEMPORARY, USER_AGENT, status_line
from actors.senders.kit.network_errors import trouble
from actors.senders.kit.retry_after import waited_for
from app.domain.parsing.web_url import web_url
from app.security.network.egress import Refused

MOST = 20  # requests for one message: Matrix, the most talkative, makes about six
ANSWER_LIMIT_BYTES = 1_000_000  # Matrix tells a client of its rooms in one answer
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"})
NO_WEB = "the service wants to call what is no web address"


@dataclass(frozen=True, slots=True)
class Failed:
    """A request that came to nothing: an error's status, or no answer at all (0)."""

    status: int
    words: str
    retry_after_s: float | None = None

    def undelivered(self, said: str) -> Undelivered:
        """As `post` has it: 408, 425, 429, 5xx and network troubles are temporary, every other status is permanent."""
        permanent = 0 < self.status < HTTPStatus.INTERNAL_SERVER_ERROR and self.status not in TEMPORARY
        return Undelivered(
            f"{self.words}{said}",
            permanent=permanent,
            retry_after_s=self.retry_after_s,
            channel=self.status in OF_THE_CHANNEL,
            gone=self.status == HTTPStatus.GONE,
            answered=self.status > 0,
        )


class Errands:
    """One message's requests.

    made       how many went out
    refused    why the policy let one not out; that is final
    failed     the newest, when it failed
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self.made = 0
        self.refused = ""
        self.failed: Failed | None = None

    async def run(self, call: Call) -> Answer:
        """Make the request; what prevents it is part of the answer."""
        if self.refused or self.made >= MOST:
            return Answer(trouble=self.refused or "that is enough of requests for one message")
        self.made += 1
        try:
            return await self._made(call)
        except Refused as error:
            self.refused = str(error)
            return Answer(trouble=self.refused)
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, ValueError):
            return self._came_to_nothing("the address is not one that can be called")
        except (aiohttp.ClientError, OSError) as error:
            return self._came_to_nothing(trouble(error))

    async def _made(self, call: Call) -> Answer:
        url = _plain_url(call)
        if url is None:
            self.refused = NO_WEB
            return Answer(trouble=NO_WEB)
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
            body = await _start_of(answer)
            self._note(answer.status, answer.headers, body)
            return Answer(answer.status, _told(answer), body)

    def _note(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        good = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
        wait_s = None if good else waited_for(headers.get("Retry-After", ""), body, datetime.now(UTC))
        self.failed = None if good else Failed(status, f"answered {status_line(status)}", wait_s)

    def _came_to_nothing(self, words: str) -> Answer:
        self.failed = Failed(0, words)
        return Answer(trouble=words)


def _plain_url(call: Call) -> URL | None:
    """The address of a plain web request; None for anything else. Raises ValueError for an address that is none."""
    if call.method.upper() not in METHODS or not call.url.lower().startswith(("http://", "https://")):
        return None
    url = web_url(call.url)
    return url if url.raw_user is None else None


async def _start_of(answer: aiohttp.ClientResponse) -> bytes:
    """As much of a body as a service may want to read."""
    found = b""
    while len(found) < ANSWER_LIMIT_BYTES and (more := await answer.content.read(ANSWER_LIMIT_BYTES - len(found))):
        found += more
    return found


def _told(answer: aiohttp.ClientResponse) -> list[tuple[str, str]]:
    """The headers, without what would be followed or decoded."""
    kept_back = {"location", "content-encoding", "transfer-encoding", "content-length"}
    return [(str(name), value) for name, value in answer.headers.items() if name.lower() not in kept_back]
