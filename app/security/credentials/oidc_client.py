"""Asking an OpenID provider: every request leaves by the one door, bounded in time and size, and follows nothing."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from app.domain.parsing import untrusted_json
from app.domain.parsing.web_url import web_url
from app.errors import Upstream
from app.security.network.aiohttp_connector import ONE_USE, Door
from app.security.network.egress import Egress, Refused
from app.security.network.resolver import Names
from schema.settings import EgressPolicy

LIMIT_S = 10.0
ANSWER_BYTES = 262_144  # discovery documents and key sets are a few kilobytes
HEADERS = {"User-Agent": "Watchkeeper", "Accept": "application/json", "Accept-Encoding": "identity"}


class Provider:
    """A provider, for as long as one sign-in asks it. `opened` makes one."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def read(self, url: str, *, token: str | None = None) -> dict[str, Any]:
        """A JSON object at an address. Raises Upstream."""
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        told = await self._asked("GET", url, None, bearer)
        if told.get("error"):
            raise Upstream("The sign-in provider refused to tell who it is.")
        return told

    async def trade(self, url: str, form: str, headers: Mapping[str, str]) -> dict[str, Any]:
        """What a token endpoint answers to a form: tokens, or `error`. Raises Upstream."""
        typed = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return await self._asked("POST", url, form, typed)

    async def _asked(self, method: str, url: str, body: str | None, headers: Mapping[str, str]) -> dict[str, Any]:
        try:
            async with self._http.request(
                method, web_url(url), data=body, headers=headers, allow_redirects=False
            ) as answer:
                return _object(answer.status, await _whole(answer))
        except Refused as error:
            raise Upstream(f"The sign-in provider may not be reached: {error}.") from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Upstream("The sign-in provider does not answer.") from error


@asynccontextmanager
async def opened(policy: EgressPolicy) -> AsyncIterator[Provider]:
    """A provider's line, closed at the end."""
    names = Names()
    session = aiohttp.ClientSession(
        connector=Door(Egress(names, policy), **ONE_USE),
        timeout=aiohttp.ClientTimeout(total=LIMIT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=HEADERS,
        auto_decompress=False,  # the door's responses come as they were sent
    )
    try:
        async with session:
            yield Provider(session)
    finally:
        names.close()


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    found = b""
    async for chunk in answer.content.iter_chunked(16_384):
        found += chunk
        if len(found) > ANSWER_BYTES:
            raise Upstream("The sign-in provider's answer is too long.")
    return found


def _object(status: int, body: bytes) -> dict[str, Any]:
    """The JSON object of an answer; of a refusal that has none, `error` with its status."""
    try:
        found = untrusted_json.decoded(body)
    except (ValueError, RecursionError):
        found = None
    is_good = status == 200  # noqa: PLR2004  # HTTP
    if isinstance(found, dict):
        return found if is_good else {"error": str(status), **found}
    if is_good:
        raise Upstream("The sign-in provider's answer is no JSON object.")
    return {"error": str(status)}
