"""Asking an OpenID provider: every request leaves by the one door, bounded in time and size, and follows nothing."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from app.domain.parsing import untrusted_json
from app.domain.parsing.web_url import parse_url
from app.errors import Upstream
from app.security.network.aiohttp_connector import SINGLE_USE, EgressConnector
from app.security.network.egress import Egress, EgressDenied
from app.security.network.resolver import Resolver
from schema.settings import EgressPolicy

TIMEOUT_S = 10.0
MAX_RESPONSE_BYTES = 262_144  # discovery documents and key sets are a few kilobytes
HEADERS = {"User-Agent": "Watchkeeper", "Accept": "application/json", "Accept-Encoding": "identity"}


class OidcProvider:
    """A provider, for as long as one sign-in asks it. `opened` makes one."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def get_json(self, url: str, *, token: str | None = None) -> dict[str, Any]:
        """A JSON object at an address. Raises Upstream."""
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        told = await self._request("GET", url, None, bearer)
        if told.get("error"):
            raise Upstream("The sign-in provider refused to tell who it is.")
        return told

    async def post_form(self, url: str, form: str, headers: Mapping[str, str]) -> dict[str, Any]:
        """What a token endpoint answers to a form: tokens, or `error`. Raises Upstream."""
        typed = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return await self._request("POST", url, form, typed)

    async def _request(self, method: str, url: str, body: str | None, headers: Mapping[str, str]) -> dict[str, Any]:
        try:
            async with self._http.request(
                method, parse_url(url), data=body, headers=headers, allow_redirects=False
            ) as answer:
                return _json_object(answer.status, await _read_body(answer))
        except EgressDenied as error:
            raise Upstream(f"The sign-in provider may not be reached: {error}.") from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Upstream("The sign-in provider does not answer.") from error


@asynccontextmanager
async def open_provider(policy: EgressPolicy) -> AsyncIterator[OidcProvider]:
    """A provider's line, closed at the end."""
    names = Resolver()
    session = aiohttp.ClientSession(
        connector=EgressConnector(Egress(names, policy), **SINGLE_USE),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=HEADERS,
        auto_decompress=False,  # the door's responses come as they were sent
    )
    try:
        async with session:
            yield OidcProvider(session)
    finally:
        names.close()


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    found = b""
    async for chunk in response.content.iter_chunked(16_384):
        found += chunk
        if len(found) > MAX_RESPONSE_BYTES:
            raise Upstream("The sign-in provider's answer is too long.")
    return found


def _json_object(status: int, body: bytes) -> dict[str, Any]:
    """The JSON object of an answer; of a refusal that has none, `error` with its status."""
    try:
        found = untrusted_json.decode(body)
    except (ValueError, RecursionError):
        found = None
    is_good = status == 200  # noqa: PLR2004  # HTTP
    if isinstance(found, dict):
        return found if is_good else {"error": str(status), **found}
    if is_good:
        raise Upstream("The sign-in provider's answer is no JSON object.")
    return {"error": str(status)}
